"""Pixels to channels and back, as torch has it to the bit, in half of the time on a CPU.

Torch goes through such an image element by element; copies of one channel at a time are run at the
speed of memory. On a GPU, in training and under `torch.compile` torch's own are used.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


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


def _place(channel: int, factor: int) -> tuple[int, int, int]:
    """Colour, row and column of a channel in the blocks of `factor` x `factor` pixels."""
    colour, place = divmod(channel, factor**2)
    return colour, *divmod(place, factor)


def _is_inference_on_cpu(x: Tensor) -> bool:
    is_trained = x.requires_grad and torch.is_grad_enabled()
    return x.device.type == "cpu" and not is_trained and not torch.compiler.is_compiling()
