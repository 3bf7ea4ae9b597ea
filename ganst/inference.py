"""Stylization: pixels in, pixels of the same size out."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ganst.batches import CapturedForward, Forward, FullBatches, plan_batches
from ganst.exposure import brightened, darkened, exposure_of
from ganst.lines import SourceLines
from ganst.models.generator import ResnetGenerator
from ganst.pixels import pad_to_stride, painted, stride_margins, to_model
from ganst.precision import DTYPES, Precision, make_ready
from ganst.tiling import Tiling, bytes_per_pixel, stylize_in_strips

# Smaller images are mirrored up to this side: below it the reflection pads inside the network do not fit.
SMALLEST_SIDE_PX = 64
# Of a strip to its image's height: rows lie one behind the other in memory, columns are gathered. But the
# lines of a panorama are to be short ones, or the fewest that a strip takes would be too much.
_LONGEST_LINE = 8


class Stylizer:
    """A generator made ready for one precision on one device."""

    def __init__(
        self,
        generator: ResnetGenerator,
        precision: Precision,
        *,
        strength: float = 1.0,
        device: torch.device | None = None,
        tiling: Tiling | None = None,
    ) -> None:
        """`tiling`: what activations may take, and how larger images are cut; None: never cut."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be between 0 and 1, got {strength}")
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = DTYPES[precision]
        self.strength = strength
        self.tiling = tiling
        self.stride = generator.config.stride
        self.generator = make_ready(generator, precision, self.device)
        self._batches = FullBatches(self._prepare) if self.device.type == "cuda" else None

    @torch.inference_mode()
    def stylize(self, images: Sequence[Tensor]) -> list[Tensor]:
        """uint8 `[3, H, W]` each, any sizes from 1 x 1 -> the same shapes.

        No output hangs on the other images, though a GPU takes several at a time: `ganst.batches`.
        """
        with exact_convolutions():
            if self._batches is None:
                return [self._stylize_one(image) for image in images]
            return self._stylize_in_batches(images, self._batches)

    def activation_bytes(self, height: int, width: int) -> int:
        """Memory that an image of that size takes when it is not cut: an estimate."""
        sides = (
            size + sum(stride_margins(size, self.stride, SMALLEST_SIDE_PX))
            for size in (height, width)
        )
        return int(math.prod(sides) * bytes_per_pixel(self.generator.config, self.dtype))

    def cuts(self, height: int, width: int) -> bool:
        """Whether an image of that size is stylized in strips."""
        needed = self.activation_bytes(height, width)
        return self.tiling is not None and needed > self.tiling.max_bytes

    def _stylize_one(self, image: Tensor) -> Tensor:
        if self.tiling and self.cuts(*image.shape[-2:]):
            return self._stylize_in_strips(image, self.tiling)
        shown = self.show(image)
        return self.finish(shown, self._forward(shown.padded)[0].cpu())

    def _stylize_in_batches(self, images: Sequence[Tensor], batches: FullBatches) -> list[Tensor]:
        outputs: dict[int, Tensor] = {}
        whole = [place for place, image in enumerate(images) if not self.cuts(*image.shape[-2:])]
        shown = {place: self.show(images[place]) for place in whole}
        shapes = [shown[place].padded.shape for place in whole]
        for group in plan_batches(shapes, lambda _: len(whole)):
            places = [whole[member] for member in group]
            styled = batches(torch.cat([shown[place].padded for place in places]))
            for place, one in zip(places, styled, strict=True):
                outputs[place] = self.finish(shown[place], one)
        return [
            outputs[place] if place in outputs else self._stylize_one(image)
            for place, image in enumerate(images)
        ]

    def show(self, image: Tensor, exposure: float | None = None) -> "Shown":
        """Uint8 `[3, H, W]` as the network sees it, still on the CPU; in another light than its own."""
        exposure = self.exposure(image) if exposure is None else exposure
        bright = brightened(image, exposure)
        padded, corner = pad_to_stride(bright[None], self.stride, SMALLEST_SIDE_PX)
        return Shown(source=image, exposure=exposure, padded=padded, corner=corner)

    def exposure(self, image: Tensor) -> float:
        """What `image` is divided by before the network: 1 where the network does not keep it."""
        is_kept = self.generator.config.exposure == "kept"
        return exposure_of(image) if is_kept else 1.0

    def _forward(self, padded: Tensor) -> Tensor:
        """uint8 `[N, 3, H, W]` -> the same on the device."""
        return painted(self.generator.paint(self.to_input(padded)))

    def _prepare(self, shape: tuple[int, ...]) -> Forward:
        return CapturedForward(self._forward, shape, self.device)

    def to_input(self, padded: Tensor) -> Tensor:
        """Uint8 `[N, 3, H, W]` -> model images on the device, in its precision."""
        images = to_model(padded.to(self.device), self.dtype)
        if self.device.type == "cpu":  # the network lays them out as it copies them
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def finish(self, shown: "Shown", styled: Tensor) -> Tensor:
        """The output of what the network made: margins cut off, as dark as its photo, as strong as is wanted."""
        (height, width), (top, left) = shown.source.shape[-2:], shown.corner
        cut = styled[:, top : top + height, left : left + width]
        return self._as_wanted(shown.source, cut, shown.exposure)

    def _as_wanted(self, source: Tensor, styled: Tensor, exposure: float) -> Tensor:
        return blend(source, darkened(styled, source, exposure), self.strength)

    def _stylize_in_strips(self, image: Tensor, tiling: Tiling) -> Tensor:
        axis = 2 if image.shape[2] <= _LONGEST_LINE * image.shape[1] else 3
        exposure = self.exposure(image)
        source = SourceLines(
            brightened(image, exposure),
            axis,
            self.stride,
            SMALLEST_SIDE_PX,
            self.generator.config.shuffle,
            self.dtype,
            self.device,
        )
        output = torch.empty_like(image)
        for first, styled in stylize_in_strips(self.generator, source, tiling):
            place = (axis - 1, first, styled.shape[axis - 1])
            output.narrow(*place).copy_(self._as_wanted(image.narrow(*place), styled, exposure))
        return output


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An image as a network sees it, and what leads back from there."""

    source: Tensor
    exposure: float  # that it was divided by
    padded: Tensor  # uint8 `[1, 3, H, W]`
    corner: tuple[int, int]  # top and left of the image in it


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """On a GPU: fp32 is fp32, not TF32, and an algorithm is chosen by the shape alone, not by a race."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


def blend(source: Tensor, styled: Tensor, strength: float) -> Tensor:
    """`strength` of the stylized image over the source, both uint8 `[3, H, W]`; 1.0 gives `styled` itself."""
    if strength == 1:
        return styled
    mixed = torch.lerp(source.float(), styled.float(), strength)
    return mixed.add(0.5).clamp(0, 255).to(torch.uint8)
