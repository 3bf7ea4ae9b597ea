"""Faults of the generator, not of one image: the kind that a swapped file or a changed line makes.

Severities 1..5 as in `ganst.scoring.faults`. Every function returns a new generator; the one it is
given, the clean twin, stays as it was.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from ganst.models.layers import InstanceNorm
from ganst.scoring.faults import on_scale

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.models.generator import ResnetGenerator


def perturbed_weights(
    generator: ResnetGenerator, severity: float, rng: torch.Generator
) -> ResnetGenerator:
    """Multiply every weight by a normal number around 1, spread 5 % to 60 %: a damaged file."""
    spread = on_scale(severity, 0.05, 0.6)
    damaged = copy.deepcopy(generator)
    with torch.no_grad():
        for weight in damaged.parameters():
            weight.mul_(1 + spread * torch.randn(weight.shape, generator=rng).to(weight))
    return damaged


def undertrained(
    generator: ResnetGenerator, early: ResnetGenerator, severity: float
) -> ResnetGenerator:
    """Go 20 % to all the way back to the weights of an early checkpoint of the same training."""
    share = on_scale(severity, 0.2, 1.0)
    damaged = copy.deepcopy(generator)
    with torch.no_grad():
        for weight, older in zip(damaged.parameters(), early.parameters(), strict=True):
            weight.lerp_(older.to(weight), share)
    return damaged


def wrong_norm(generator: ResnetGenerator, severity: float) -> ResnetGenerator:
    """Leave 15 % to all of each instance norm's scaling out; the mean is still taken off.

    Raises ValueError for a generator that has no instance norm.
    """
    share = on_scale(severity, 0.15, 1.0)
    damaged = copy.deepcopy(generator)
    parents = [
        (parent, name)
        for parent in damaged.modules()
        for name, child in parent.named_children()
        if isinstance(child, InstanceNorm)
    ]
    if not parents:
        raise ValueError("the generator has no instance norm to get wrong")
    for parent, name in parents:
        setattr(parent, name, _HalfNorm(getattr(parent, name), share))
    return damaged


def wrong_input_range(pixels: Tensor, severity: float) -> Tensor:
    """What a generator fed [0, 1] in place of [-1, 1] sees, 20 % to all of it: uint8 as given.

    Level 0 means -1 to the model, level 128 about 0: the range [0, 1] is the upper half of levels.
    """
    levels = pixels.float()
    share = on_scale(severity, 0.2, 1.0)
    return torch.lerp(levels, 127.5 + levels / 2, share).round().clamp(0, 255).to(torch.uint8)


class _HalfNorm(nn.Module):
    """Normalises to the variance that the input had, by a share; affine parts stay."""

    def __init__(self, norm: nn.Module, share: float) -> None:
        super().__init__()
        self.norm = norm
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the same shape."""
        spread = x.float().std(dim=(2, 3), keepdim=True).clamp(1e-2, 1e2)
        return self.norm(x) * (spread**self.share).to(x.dtype)
