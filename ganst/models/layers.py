"""Layers that the generators and discriminators are made of.

Shapes: N images, C channels, H x W pixels.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.backward import convolve, reflect_pad
from ganst.models.copies import framed_like, is_inference_on_cpu

Norm = Literal["instance", "affine", "none"]
Border = Literal["reflect", "zero"]


class InstanceNorm(nn.Module):
    """Normalise each channel of each image over its pixels; no running statistics.

    Instance, not batch: an image's output must not depend on its batch mates. Written as a group
    norm with one channel a group, which keeps channels-last tensors as they are (InstanceNorm2d copies them).
    """

    def __init__(self, affine_channels: int | None = None) -> None:
        """With `affine_channels`: learn a scale and an offset for each of so many channels."""
        super().__init__()
        is_affine = affine_channels is not None
        self.weight = nn.Parameter(torch.ones(affine_channels)) if is_affine else None
        self.bias = nn.Parameter(torch.zeros(affine_channels)) if is_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the same shape, mean 0 and variance 1 per image and channel unless affine."""
        return F.group_norm(x, x.shape[1], self.weight, self.bias)


class BlurDown(nn.Module):
    """Halve the resolution behind a [1, 2, 1] filter, so that no stroke aliases (arXiv:1904.11486)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        kernel = torch.outer(taps, taps) / 16
        self.register_buffer(
            "kernel", kernel.expand(channels, 1, 3, 3).contiguous(), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> `[N, C, H/2, W/2]`."""
        x = reflect_pad(x, 1)
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, groups=x.shape[1])  # pyrefly: ignore


class ReflectConv(nn.Conv2d):
    """torch's convolution of mirrored images, computed as is fast in training."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        pad = int(self.padding[0])
        padded = reflect_pad(input, pad) if pad else input
        return convolve(padded, weight, bias, self.stride)


class Conv(nn.Module):
    """A convolution, its norm and its activation; without these two it is a head."""

    room = 0  # pixels around the result that the next layer mirrors it into: see `copies.framed`

    def __init__(
        self,
        conv: nn.Conv2d | nn.ConvTranspose2d,
        norm: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm or nn.Identity()
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C_in, H, W]` -> `[N, C_out, H', W']`, as the convolution has it."""
        y = self.norm(self.conv(x))
        if self.room and is_inference_on_cpu(y):
            return torch.clamp_min(y, 0, out=framed_like(y, self.room))
        return self.activation(y)

    def give_room(self, pixels: int) -> None:
        """In inference on a CPU a ReLU then writes its result where a frame fits around it."""
        self.room = pixels if isinstance(self.activation, nn.ReLU) else 0


class ResidualBlock(nn.Module):
    """`x + norm(conv(relu(norm(conv(x)))))`, no activation behind the sum (as in CycleGAN)."""

    room = 0  # as in `Conv`

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.first = Conv(conv2d(channels, channels, 3), make_norm(norm, channels), nn.ReLU())
        self.first.give_room(1)
        self.second = Conv(conv2d(channels, channels, 3))
        self.norm = make_norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the same shape."""
        y = self.norm(self.second(self.first(x)))
        if self.room and is_inference_on_cpu(y):
            return torch.add(x, y, out=framed_like(y, self.room))
        return x + y

    def give_room(self, pixels: int) -> None:
        """As in `Conv`."""
        self.room = pixels


def mirrored_pixels(layer: nn.Module) -> int:
    """How wide a mirrored border that layer sees around what it is given."""
    if isinstance(layer, BlurDown):
        return 1
    first = layer.first if isinstance(layer, ResidualBlock) else layer
    conv = first.conv if isinstance(first, Conv) else None
    return int(conv.padding[0]) if isinstance(conv, ReflectConv) else 0


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """The norm of that kind behind a convolution of so many channels."""
    if kind == "none":
        return nn.Identity()
    return InstanceNorm(channels if kind == "affine" else None)


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    border: Border = "reflect",
) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1 and halves even sides at stride 2."""
    kind = nn.Conv2d if border == "zero" else ReflectConv
    return kind(
        in_channels,
        out_channels,
        kernel,
        stride,
        padding=(kernel - 1) // 2,
        padding_mode="zeros" if border == "zero" else "reflect",
    )
