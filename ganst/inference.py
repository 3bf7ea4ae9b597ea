"""Stylization: pixels in, pixels of the same size out."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ganst.lines import SourceLines
from ganst.models.generator import ResnetGenerator
from ganst.pixels import pad_to_stride, stride_margins, to_model, to_pixels
from ganst.precision import Precision
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
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.strength = strength
        self.tiling = tiling
        self.stride = generator.config.stride
        # Channels last: with the group-norm form of instance norm, up to twice as fast on a CPU.
        self.generator = generator.eval().to(device=self.device, dtype=self.dtype)
        self.generator.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]

    @torch.inference_mode()
    def stylize(self, images: Sequence[Tensor]) -> list[Tensor]:
        """uint8 `[3, H, W]` each, any sizes from 1 x 1 -> the same shapes.

        One image at a time: a convolution may sum in another order for another batch size, and an
        output must not depend on its batch mates.
        """
        return [self._stylize_one(image) for image in images]

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
        height, width = image.shape[-2:]
        if self.tiling and self.cuts(height, width):
            return self._stylize_in_strips(image, self.tiling)
        padded, (top, left) = pad_to_stride(image[None], self.stride, SMALLEST_SIDE_PX)
        x = to_model(padded.to(self.device), self.dtype)
        y = self.generator(x.contiguous(memory_format=torch.channels_last))
        styled = to_pixels(y)[0, :, top : top + height, left : left + width].cpu()
        return blend(image, styled, self.strength)

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


def blend(source: Tensor, styled: Tensor, strength: float) -> Tensor:
    """`strength` of the stylized image over the source, both uint8 `[3, H, W]`; 1.0 gives `styled` itself."""
    if strength == 1:
        return styled
    mixed = torch.lerp(source.float(), styled.float(), strength)
    return mixed.add(0.5).clamp(0, 255).to(torch.uint8)
