"""The ResNet generator family (Johnson 2016, arXiv:1603.08155; as in CycleGAN, arXiv:1703.10593).

Shapes: N images, C channels, H x W pixels. Images are floats in [-1, 1].
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """One member of the family."""

    width: int  # channels behind the stem; every `down` doubles them
    num_blocks: int  # residual blocks at the lowest resolution
    num_downs: int = 2  # halvings of the resolution behind the stem
    shuffle: int = 1  # the stem sees blocks of `shuffle` x `shuffle` pixels as channels (1 = plain)
    stem_kernel: int = 7
    skip: Literal["none", "lowpass"] = "none"  # `lowpass`: the head adds to the blurred input

    @property
    def stride(self) -> int:
        """Image sides must be multiples of this many pixels."""
        return self.shuffle * 2**self.num_downs


class InstanceNorm(nn.Module):
    """Normalise each channel of each image over its pixels; no parameters, no running statistics.

    Instance, not batch: an image's output must not depend on its batch mates. Written as a group
    norm with one channel a group, which keeps channels-last tensors as they are (InstanceNorm2d copies them).
    """

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the same shape, mean 0 and variance 1 per image and channel."""
        return F.group_norm(x, x.shape[1])


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
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, groups=x.shape[1])  # pyrefly: ignore


class Conv(nn.Module):
    """Reflection pad, convolution, and (unless it is the head) instance norm and ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, head: bool = False
    ) -> None:
        super().__init__()
        self.pad = kernel // 2
        self.head = head
        self.conv = nn.Conv2d(in_channels, out_channels, kernel)
        self.norm = InstanceNorm()

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C_in, H, W]` -> `[N, C_out, H, W]`."""
        x = self.conv(F.pad(x, (self.pad,) * 4, mode="reflect"))
        return x if self.head else F.relu(self.norm(x))


class ResidualBlock(nn.Module):
    """`x + norm(conv(relu(norm(conv(x)))))`, no activation behind the sum (as in CycleGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, 3)
        self.second = Conv(channels, channels, 3, head=True)
        self.norm = InstanceNorm()

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the same shape."""
        return x + self.norm(self.second(self.first(x)))


class ResnetGenerator(nn.Module):
    """Stem, blur-downs, residual blocks, bilinear ups, head and tanh."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        colours = 3 * config.shuffle**2
        widths = [config.width * 2**level for level in range(config.num_downs + 1)]
        self.stem = Conv(colours, config.width, config.stem_kernel)
        self.downs = nn.ModuleList(
            nn.Sequential(Conv(narrow, wide, 3), BlurDown(wide))
            for narrow, wide in pairwise(widths)
        )
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1]) for _ in range(config.num_blocks))
        self.ups = nn.ModuleList(
            Conv(wide, narrow, 3)
            for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = Conv(config.width, colours, config.stem_kernel, head=True)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [-1, 1], sides multiples of the stride -> the same shape and range."""
        *_, x = self._encode(images)
        return self._decode(x, images)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features for PatchNCE, fine to coarse: stem, downs, the first and the last block."""
        *features, last = self._encode(images)
        num_front = 1 + len(self.downs)
        return [*features[:num_front], features[num_front], last]

    def encode_and_generate(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """`encode` and `forward` in one pass."""
        features = self.encode(images)
        return features, self._decode(features[-1], images)

    @torch.no_grad()
    def align_subpixels(self) -> None:
        """Start with equal pixels inside each shuffled block (arXiv:1707.02937): no checkerboard to unlearn."""
        num_subpixels = self.config.shuffle**2
        for parameter in self.head.parameters():
            parameter.copy_(parameter[::num_subpixels].repeat_interleave(num_subpixels, dim=0))

    @property
    def feature_channels(self) -> list[int]:
        """Channels of each tensor that `encode` returns."""
        widths = [self.config.width * 2**level for level in range(self.config.num_downs + 1)]
        return [*widths, widths[-1], widths[-1]]

    def _encode(self, images: Tensor) -> Iterator[Tensor]:
        x = F.pixel_unshuffle(images, self.config.shuffle)
        for layer in [self.stem, *self.downs, *self.blocks]:
            x = layer(x)
            yield x

    def _decode(self, x: Tensor, images: Tensor) -> Tensor:
        for up in self.ups:
            x = up(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        x = F.pixel_shuffle(self.head(x), self.config.shuffle)
        if self.config.skip == "lowpass":
            x = x + _lowpass(images)
        return torch.tanh(x)


def _lowpass(images: Tensor, factor: int = 8) -> Tensor:
    """The input without detail: colours come for free, every stroke has to be painted."""
    height, width = images.shape[-2:]
    small = F.interpolate(
        images, size=(max(height // factor, 1), max(width // factor, 1)), mode="area"
    )
    return 1.5 * F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
