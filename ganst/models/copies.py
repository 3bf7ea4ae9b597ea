"""Pixels to channels and back, and mirrored frames: as torch has them to the bit, in less time on a CPU.

Torch goes through few channels that lie last element by element; copies of one channel or line at a time
are run at the speed of memory. A map that the next convolution sees mirrored at its border is written
where that border has room around it, and is not copied at all. On a GPU, in training and under
`torch.compile` torch's own are used.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_CHANNELS = 16
_WHOLE = "_whole"  # of a framed map: the map with its frame


def framed(
    shape: Sequence[int], room: int, dtype: torch.dtype, layout: torch.memory_format
) -> Tensor:
    """An empty map `[N, C, H, W]` in the middle of a larger one, with `room` pixels on every side.

    `mirrored` fills these and has its result. Only this very tensor knows of its frame: what is
    computed from it is mirrored by copying, as is whatever needs another width.
    """
    num, channels, height, width = shape
    outer = (num, channels, height + 2 * room, width + 2 * room)
    whole = torch.empty(outer, dtype=dtype, memory_format=layout)
    inner = whole[:, :, room : room + height, room : room + width]
    setattr(inner, _WHOLE, whole)
    return inner


def framed_like(x: Tensor, room: int) -> Tensor:
    """An empty map in a frame, of the shape, dtype and layout of `x`."""
    return framed(x.shape, room, x.dtype, layout_of(x))


def unshuffled(
    images: Tensor, factor: int, layout: torch.memory_format, *, room: int = 0
) -> Tensor:
    """`F.pixel_unshuffle` of `[N, C, H, W]`: `[N, C factor^2, H / factor, W / factor]`.

    If `layout` is channels last, in inference on a CPU, it has that layout whatever that of the images
    is, and `room` pixels around it (`framed`); else it is torch's own.
    """
    if layout is not torch.channels_last or not is_inference_on_cpu(images):
        return F.pixel_unshuffle(images, factor)
    num, colours, height, width = images.shape
    shape = (num, colours * factor**2, height // factor, width // factor)
    folded = framed(shape, room, images.dtype, torch.channels_last)
    for channel in range(shape[1]):
        colour, row, column = _place(channel, factor)
        folded[:, channel] = images[:, colour, row::factor, column::factor]
    return folded


def shuffled(x: Tensor, factor: int) -> Tensor:
    """`F.pixel_shuffle` of `[N, C, H, W]`: `[N, C / factor^2, H factor, W factor]`, plane by plane."""
    if factor == 1 or not is_inference_on_cpu(x):
        return F.pixel_shuffle(x.contiguous(), factor)
    num, channels, height, width = x.shape
    shape = (num, channels // factor**2, height * factor, width * factor)
    images = torch.empty(shape, dtype=x.dtype)
    for channel in range(channels):
        colour, row, column = _place(channel, factor)
        images[:, colour, row::factor, column::factor] = x[:, channel]
    return images


def mirrored(x: Tensor, pad: int) -> Tensor:
    """`F.pad` of `[N, C, H, W]` with mode "reflect": `[N, C, H + 2 pad, W + 2 pad]`, in its layout."""
    whole = _frame_around(x, pad)
    if whole is None:
        return F.pad(x, (pad,) * 4, mode="reflect")
    for dim, size in ((3, x.shape[3]), (2, x.shape[2])):  # the rows carry the corners along
        for i in range(1, pad + 1):
            whole.select(dim, pad - i).copy_(whole.select(dim, pad + i))
            whole.select(dim, pad + size - 1 + i).copy_(whole.select(dim, pad + size - 1 - i))
    return whole


def _frame_around(x: Tensor, pad: int) -> Tensor | None:
    """`x` in a frame that is still empty: its own, or of a copy; None where torch's way is the better one."""
    if min(x.shape[2:]) <= pad:
        return None
    whole = getattr(x, _WHOLE, None)
    if isinstance(whole, Tensor) and whole.shape[2] == x.shape[2] + 2 * pad:
        return whole
    if x.shape[1] > _FEW_CHANNELS or not is_inference_on_cpu(x):
        return None
    inner = framed_like(x, pad)
    inner.copy_(x)
    return _frame_around(inner, pad)


def layout_of(x: Tensor) -> torch.memory_format:
    """Channels last, or planes where it is both or neither."""
    is_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _place(channel: int, factor: int) -> tuple[int, int, int]:
    """Colour, row and column of a channel in the blocks of `factor` x `factor` pixels."""
    colour, place = divmod(channel, factor**2)
    return colour, *divmod(place, factor)


def is_inference_on_cpu(x: Tensor) -> bool:
    """Whether what is computed from `x` now is neither trained, compiled nor on a GPU."""
    is_trained = x.requires_grad and torch.is_grad_enabled()
    return x.device.type == "cpu" and not is_trained and not torch.compiler.is_compiling()
