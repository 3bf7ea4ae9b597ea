"""The two ranges of an image, and padding to a network's stride. Ranges live here only.

*Pixels* are uint8 `[N, 3, H, W]` or `[3, H, W]` in [0, 255]; *model images* are floats of the same shape in [-1, 1].
"""

from functools import cache

import torch
from torch import Tensor


def to_model(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 `[..., 3, H, W]` in [0, 255] -> `dtype` in [-1, 1]."""
    # In place: a fresh tensor for every step costs more than the arithmetic.
    return pixels.to(torch.float32, copy=True).div_(127.5).sub_(1).to(dtype)


def to_pixels(images: Tensor) -> Tensor:
    """Floats `[..., 3, H, W]` in [-1, 1] -> uint8; undoes `to_model` exactly on all 256 levels."""
    # +128, not +127.5: the cast truncates, so the extra half rounds to nearest.
    return (images.to(torch.float32) * 127.5).add_(128).clamp_(0, 255).to(torch.uint8)


def painted(values: Tensor) -> Tensor:
    """Floats `[..., 3, H, W]` before a generator's tanh -> uint8: `to_pixels` of their tanh, to the bit.

    There are 65,536 values of bf16: on a CPU the level of each is looked up, in a third of the time.
    The levels lie in memory as the values do.
    """
    if values.dtype != torch.bfloat16 or values.device.type != "cpu":
        return to_pixels(torch.tanh(values))
    return looked_up(_levels_of_bf16(), values.view(torch.uint16))


def looked_up(table: Tensor, places: Tensor) -> Tensor:
    """`table[places]` of uint8 or uint16 `[..., C, H, W]`, taken and laid out in the order of their memory.

    In a third of the time that indexing takes.
    """
    lies_last = places.stride(-3) == 1
    lying = places.movedim(-3, -1) if lies_last else places
    found = table.index_select(0, lying.to(torch.int32).flatten()).view(lying.shape)
    return found.movedim(-1, -3) if lies_last else found


@cache
def _levels_of_bf16() -> Tensor:
    """uint8 `[65536]`: the level of each value, in the order of their bits."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16)
    return to_pixels(torch.tanh(bits.view(torch.bfloat16)))


def reflect_indices(size: int, before: int, after: int) -> Tensor:
    """int64 `[before + size + after]`: positions of a line of `size` pixels mirrored at both ends.

    Mirrors as often as needed, so a pad may be larger than the line itself (torch's reflection pad refuses that).
    """
    return reflect_range(size, -before, size + after)


def reflect_range(size: int, start: int, stop: int) -> Tensor:
    """int64 `[stop - start]`: where positions `start`..`stop` lie in a line of `size` pixels mirrored endlessly."""
    period = max(2 * (size - 1), 1)
    positions = torch.arange(start, stop) % period
    return torch.minimum(positions, (period - positions) % period) if size > 1 else positions * 0


def pad_to_stride(images: Tensor, stride: int, smallest: int) -> tuple[Tensor, tuple[int, int]]:
    """Mirror `[N, C, H, W]` up to multiples of `stride`, at least `smallest` a side.

    Returns:
        The padded images and the (top, left) corner of the original inside them.

    """
    height, width = images.shape[-2:]
    top, bottom = stride_margins(height, stride, smallest)
    left, right = stride_margins(width, stride, smallest)
    if top or bottom:
        images = images.index_select(-2, reflect_indices(height, top, bottom).to(images.device))
    if left or right:
        images = images.index_select(-1, reflect_indices(width, left, right).to(images.device))
    return images, (top, left)


def stride_margins(size: int, stride: int, smallest: int) -> tuple[int, int]:
    """Pixels to mirror before and behind a line of `size`, up to a multiple of `stride` and to `smallest`."""
    target = max(-(-size // stride) * stride, smallest)
    return (target - size) // 2, target - size - (target - size) // 2
