"""Stylization: pixels in, pixels of the same size out."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ganst.batches import CapturedForward, Forward, FullBatches, plan_batches
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
        padded, corner = self._padded(image)
        return self._finish(image, self._forward(padded.to(self.device))[0].cpu(), corner)

    def _stylize_in_batches(self, images: Sequence[Tensor], batches: FullBatches) -> list[Tensor]:
        outputs: dict[int, Tensor] = {}
        whole = [place for place, image in enumerate(images) if not self.cuts(*image.shape[-2:])]
        padded = {place: self._padded(images[place]) for place in whole}
        shapes = [padded[place][0].shape for place in whole]
        for group in plan_batches(shapes, lambda _: len(whole)):
            places = [whole[member] for member in group]
            styled = batches(torch.cat([padded[place][0] for place in places]))
            for place, one in zip(places, styled, strict=True):
                outputs[place] = self._finish(images[place], one, padded[place][1])
        return [
            outputs[place] if place in outputs else self._stylize_one(image)
            for place, image in enumerate(images)
        ]

    def _padded(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        return pad_to_stride(image[None], self.stride, SMALLEST_SIDE_PX)

    def _forward(self, padded: Tensor) -> Tensor:
        """uint8 `[N, 3, H, W]` on the device -> the same."""
        x = to_model(padded, self.dtype)
        return painted(self.generator.paint(x.contiguous(memory_format=torch.channels_last)))

    def _prepare(self, shape: tuple[int, ...]) -> Forward:
        return CapturedForward(self._forward, shape, self.device)

    def _finish(self, image: Tensor, styled: Tensor, corner: tuple[int, int]) -> Tensor:
        """The output of `image`: margins cut off, as strong as is wanted."""
        (height, width), (top, left) = image.shape[-2:], corner
        return blend(image, styled[:, top : top + height, left : left + width], self.strength)

    def _stylize_in_strips(self, image: Tensor, tiling: Tiling) -> Tensor:
        axis = 2 if image.shape[2] <= _LONGEST_LINE * image.shape[1] else 3
        source = SourceLines(
            image,
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
            output.narrow(*place).copy_(blend(image.narrow(*place), styled, self.strength))
        return output


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
