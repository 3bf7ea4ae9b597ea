"""Training images decoded once and kept as uint8; random crops come from here."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.pixels import to_model
from ganst.training.batched import PackedImages, Window


@dataclass(frozen=True, slots=True)
class ImageBank:
    """Images of any sizes, uint8 `[3, H, W]`, on the device that trains."""

    images: tuple[Tensor, ...]
    packed: PackedImages | None = None  # the same in one piece, where crops are cut all at once

    @classmethod
    def of(cls, images: Sequence[Tensor], device: torch.device, largest_side: int) -> "ImageBank":
        """Keep `images` at no more than `largest_side` pixels a side."""
        fitted = tuple(_fit(image, largest_side).to(device) for image in images)
        return cls(fitted, None if device.type == "cpu" else PackedImages.of(fitted))

    def draw(
        self, count: int, size: int, zoom: tuple[float, float], generator: torch.Generator
    ) -> list[Window]:
        """`count` random windows for crops of `size` pixels: random images, places, zooms and mirrorings.

        A zoom of z shows 1/z of the pixels of a side: `size / z` source pixels become `size`.
        """
        return [self._draw(size, zoom, generator) for _ in range(count)]

    def cut(self, windows: Sequence[Window], size: int) -> Tensor:
        """Floats `[len(windows), 3, size, size]` in [-1, 1]; on a GPU all in one operation."""
        if self.packed is not None:
            return self.packed.cut(windows, size)
        return torch.stack([self._cut(window, size) for window in windows])

    def _draw(self, size: int, zoom: tuple[float, float], generator: torch.Generator) -> Window:
        draw = torch.rand(4, generator=generator).tolist()
        index = int(torch.randint(len(self.images), (1,), generator=generator))
        height, width = self.images[index].shape[-2:]
        side = min(round(size / (zoom[0] + (zoom[1] - zoom[0]) * draw[0])), height, width)
        top, left = int(draw[1] * (height - side + 1)), int(draw[2] * (width - side + 1))
        return Window(index=index, top=top, left=left, side=side, is_mirrored=draw[3] < 0.5)

    def _cut(self, window: Window, size: int) -> Tensor:
        bottom, right = window.top + window.side, window.left + window.side
        pixels = self.images[window.index][:, window.top : bottom, window.left : right]
        crop = F.interpolate(
            to_model(pixels)[None],
            size=(size, size),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )[0]
        return crop.flip(-1) if window.is_mirrored else crop


def _fit(image: Tensor, largest_side: int) -> Tensor:
    scale = largest_side / max(image.shape[-2:])
    if scale >= 1:
        return image
    size = [max(round(side * scale), 1) for side in image.shape[-2:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
