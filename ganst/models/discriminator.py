"""Discriminators: PatchGAN (Isola 2017, arXiv:1611.07004), and one with a fully connected layer.

Both give logits that are high for paintings; a loss, never the network, turns them into a probability.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganst.models.layers import InstanceNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """How wide, and how far one logit sees: 3 strided layers see 70 x 70 pixels."""

    width: int = 64
    num_layers: int = 3  # convolutions between stem and head
    spectral_norm: bool = True  # arXiv:1802.05957, on all convolutions but the stem


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseDiscriminatorConfig:
    """A fully connected layer sees every place on its own, so the crop has one size."""

    width: int = 64
    num_layers: int = 4  # stride-2 convolutions
    hidden: int = 256  # units of the fully connected layer
    crop_px: int = 128

    def __post_init__(self) -> None:
        if self.crop_px < 1 or self.crop_px % 2**self.num_layers:
            raise ValueError(
                f"{self.num_layers} stride-2 convolutions need a crop of a multiple of "
                f"{2**self.num_layers} pixels, got {self.crop_px}"
            )


class PatchDiscriminator(nn.Module):
    """One logit for each overlapping patch; high says painting."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = [config.width * min(2**level, 8) for level in range(config.num_layers + 1)]
        strides = [2] * (config.num_layers - 1) + [1]
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(narrow, wide, 4, stride=stride, padding=1)
            for (narrow, wide), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.norm = InstanceNorm()
        self.head = nn.Conv2d(widths[-1], 1, 4, padding=1)
        if config.spectral_norm:
            for layer in [*self.layers, self.head]:
                spectral_norm(layer)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [-1, 1] -> logits `[N, 1, H', W']`; high means painting."""
        x = F.leaky_relu(self.stem(images), 0.2)
        for layer in self.layers:
            x = F.leaky_relu(self.norm(layer(x)), 0.2)
        return self.head(x)


class DenseDiscriminator(nn.Module):
    """One logit for a whole crop: convolutions, then a fully connected layer.

    No dropout in front of the last layer: it would draw from torch's global generator, and a training
    could not be repeated.
    """

    def __init__(self, config: DenseDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * min(2**level, 8) for level in range(config.num_layers)]
        side = config.crop_px // 2**config.num_layers
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(narrow, wide, 4, stride=2, padding=1) for narrow, wide in pairwise(widths)
        )
        self.norm = InstanceNorm()
        self.dense = nn.Linear(widths[-1] * side**2, config.hidden)
        self.head = nn.Linear(config.hidden, 1)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, crop_px, crop_px]` in [-1, 1] -> logits `[N, 1]`; high means painting.

        Raises:
            ValueError: Crops of another size.

        """
        side = self.config.crop_px
        if images.shape[-2:] != (side, side):
            height, width = images.shape[-2:]
            raise ValueError(
                f"this discriminator judges crops of {side} x {side} pixels, got {width} x {height}"
            )
        x = F.leaky_relu(self.stem(images), 0.2)
        for layer in self.layers:
            x = F.leaky_relu(self.norm(layer(x)), 0.2)
        return self.head(F.leaky_relu(self.dense(x.flatten(1)), 0.2))


def make_discriminator(
    config: DiscriminatorConfig | DenseDiscriminatorConfig,
) -> PatchDiscriminator | DenseDiscriminator:
    """The network that `config` describes."""
    if isinstance(config, DenseDiscriminatorConfig):
        return DenseDiscriminator(config)
    return PatchDiscriminator(config)
