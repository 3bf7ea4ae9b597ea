"""Crops and augmentations of a whole batch at once, for a device that is idle between small kernels.

They give what the code for single images in `bank` and `augment` gives, which is the faster one on a CPU.
Nothing here waits for the device: what is drawn is drawn on the CPU and sent along.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganst.pixels import to_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A square of one image, `side` source pixels wide."""

    index: int
    top: int
    left: int
    side: int
    is_mirrored: bool


@dataclass(frozen=True, slots=True)
class PackedImages:
    """All images in one line of uint8 on the device, and where each begins."""

    pixels: Tensor  # uint8 [sum of 3 * H * W]
    offsets: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]  # H, W

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> "PackedImages":
        """uint8 `[3, H, W]` each, on one device."""
        offsets, end = [], 0
        for image in images:
            offsets.append(end)
            end += image.numel()
        sizes = tuple((image.shape[-2], image.shape[-1]) for image in images)
        return cls(torch.cat([image.flatten() for image in images]), tuple(offsets), sizes)

    def cut(self, windows: Sequence[Window], size: int) -> Tensor:
        """Floats `[len(windows), 3, size, size]` in [-1, 1], resized bilinearly without aliasing."""
        table = torch.tensor([self._numbers(window) for window in windows])
        largest = int(table[:, 5].max())
        offset, height, width, top, left, side, mirrored = table.to(
            self.pixels.device, non_blocking=True
        )[:, :, None, None].unbind(1)  # [N, 1, 1] each
        line = torch.arange(largest, device=self.pixels.device)
        within = torch.minimum(line[None, None, :], side - 1)  # [N, 1, L]: never beyond the window
        places = (top + within).transpose(1, 2) * width + left + within  # [N, L, L]
        planes = torch.arange(3, device=self.pixels.device)[None, :, None, None]
        index = (offset + places)[:, None] + planes * (height * width)[:, None]
        patches = to_model(self.pixels[index])  # [N, 3, L, L]
        rows = _bilinear_weights(side[:, :, 0].float(), largest, size)  # [N, size, L]
        columns = torch.where(mirrored.bool(), rows.flip(1), rows)
        return rows[:, None] @ patches @ columns[:, None].transpose(-1, -2)

    def _numbers(self, window: Window) -> tuple[int, ...]:
        height, width = self.sizes[window.index]
        place = (window.top, window.left, window.side)
        return (self.offsets[window.index], height, width, *place, int(window.is_mirrored))


def _bilinear_weights(side: Tensor, largest: int, size: int) -> Tensor:
    """`[N, 1]` source lengths -> `[N, size, largest]`: how much each source pixel gives to each target.

    A triangle as wide as a target pixel, at least as a source pixel: `F.interpolate` with antialias.
    """
    scale = (side / size)[:, :, None]
    centre = scale * (torch.arange(size, device=side.device) + 0.5)[None, :, None]
    place = torch.arange(largest, device=side.device) + 0.5
    reach = scale.clamp_min(1)
    weights = (1 - (place - centre).abs() / reach).clamp_min(0)
    weights = weights * (place < side[:, :, None])
    return weights / weights.sum(dim=2, keepdim=True)


def move(images: Tensor, turns: Tensor, mirrored: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Turn, mirror and shift every image by its own draw, in one gather.

    Args:
        images: `[N, C, S, S]`.
        turns: int64 `[N]`, quarters against the clock, behind the mirror.
        mirrored: bool `[N]`, left to right.
        rows: int64 `[N, S]`, which row of the turned image each row shows.
        columns: int64 `[N, S]`, the same for columns.

    """
    num, channels, size, _ = images.shape
    r, c = rows[:, :, None].expand(-1, -1, size), columns[:, None, :].expand(-1, size, -1)
    last = size - 1
    turns = turns[:, None, None]
    # Where torch.rot90 takes the pixel (r, c) from: once it is (c, last - r), and so on.
    y = torch.where(turns == 0, r, torch.where(turns == 1, c, last - torch.where(turns == 2, r, c)))
    x = torch.where(turns == 0, c, torch.where(turns == 3, r, last - torch.where(turns == 2, c, r)))
    x = torch.where(mirrored[:, None, None], last - x, x)
    index = (y * size + x).view(num, 1, size * size).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view_as(images)
