"""Pixels to channels and back, and mirrored frames: as torch has them to the bit, in less time on a CPU.

Torch goes through few channels that lie last element by element; copies of one channel or line at a time
are run at the speed of memory. On a GPU, in training and under `torch.compile` torch's own are used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_CHANNELS = 16


def unshuffled(images: Tensor, factor: int) -> Tensor:
    """`F.pixel_unshuffle` of `[N, C, H, W]`: `[N, C factor^2, H / factor, W / factor]`, in its layout."""
    lie_last = images.is_contiguous(memory_format=torch.channels_last)
    if factor == 1 or not lie_last or not _is_inference_on_cpu(images):
        return F.pixel_unshuffle(images, factor)
    num, colours, height, width = images.shape
    shape = (num, colours * factor**2, height // factor, width // factor)
    folded = torch.empty(shape, dtype=images.dtype, memory_format=torch.channels_last)
    for channel in range(shape[1]):
        colour, row, column = _place(channel, factor)
        folded[:, channel] = images[:, colour, row::factor, column::factor]
    return folded


def shuffled(x: Tensor, factor: int) -> Tensor:
    """`F.pixel_shuffle` of `[N, C, H, W]`: `[N, C / factor^2, H factor, W factor]`, plane by plane."""
    if factor == 1 or not _is_inference_on_cpu(x):
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
    num, channels, height, width = x.shape
    is_worth_it = channels <= _FEW_CHANNELS and _is_inference_on_cpu(x)
    if not is_worth_it or min(height, width) <= pad:
        return F.pad(x, (pad,) * 4, mode="reflect")
    is_last = x.is_contiguous(memory_format=torch.channels_last)
    shape = (num, channels, height + 2 * pad, width + 2 * pad)
    layout = torch.channels_last if is_last else torch.contiguous_format
    padded = torch.empty(shape, dtype=x.dtype, memory_format=layout)
    padded[:, :, pad : pad + height, pad : pad + width] = x
    for dim, size in ((3, width), (2, height)):  # the rows carry the corners along
        for i in range(1, pad + 1):
            padded.select(dim, pad - i).copy_(padded.select(dim, pad + i))
            padded.select(dim, pad + size - 1 + i).copy_(padded.select(dim, pad + size - 1 - i))
    return padded


def _place(channel: int, factor: int) -> tuple[int, int, int]:
    """Colour, row and column of a channel in the blocks of `factor` x `factor` pixels."""
    colour, place = divmod(channel, factor**2)
    return colour, *divmod(place, factor)


def _is_inference_on_cpu(x: Tensor) -> bool:
    is_trained = x.requires_grad and torch.is_grad_enabled()
    return x.device.type == "cpu" and not is_trained and not torch.compiler.is_compiling()
