"""PatchGAN discriminator (Isola 2017, arXiv:1611.07004) with spectral norm (arXiv:1802.05957)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganst.models.generator import InstanceNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """How wide, and how far one logit sees: 3 strided layers see 70 x 70 pixels."""

    width: int = 64
    num_layers: int = 3  # stride-2 convolutions


class PatchDiscriminator(nn.Module):
    """One logit for each overlapping patch; high says painting."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = [config.width * min(2**level, 8) for level in range(config.num_layers + 1)]
        strides = [2] * (config.num_layers - 1) + [1]
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(narrow, wide, 4, stride=stride, padding=1))
            for narrow, wide, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.norm = InstanceNorm()
        self.head = spectral_norm(nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [-1, 1] -> logits `[N, 1, H', W']`; high means painting."""
        x = F.leaky_relu(self.stem(images), 0.2)
        for layer in self.layers:
            x = F.leaky_relu(self.norm(layer(x)), 0.2)
        return self.head(x)
