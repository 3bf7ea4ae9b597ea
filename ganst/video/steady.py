"""Norm statistics that the frames of a shot share.

Instance norm measures every frame for itself: where something bright enters the picture, all other
colours jump. Here frames are normalised by statistics that change slowly, and start anew at a cut.

A shot is stylized in pieces by different processes, so nothing may depend on where a piece begins.
Statistics are measured on every `every`-th frame, counted from the first frame of the shot; an
anchor's are the exponential mean over the last `window` anchors; those of a frame lie between the
anchors before and behind it. Whoever stylizes a piece measures the few anchors it needs itself.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.generator import ResnetGenerator
from ganst.models.layers import InstanceNorm

_EPSILON = 1e-5  # as in `torch.nn.functional.group_norm`
Statistics = tuple[Tensor, ...]  # of each norm in turn: `[2, C]`, mean and mean of squares


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSchedule:
    """Which frames are measured, and how far back their statistics count; positions in a shot."""

    every: int = 12  # frames
    window: int = 4  # anchors
    keep: float = 0.6  # share of the mean that the older anchors have

    def __post_init__(self) -> None:
        if self.every < 1 or self.window < 1 or not 0 <= self.keep < 1:
            raise ValueError(
                f"every and window must be at least 1 and keep in 0..1 (1 excluded): got {self}"
            )

    def anchors_of(self, position: int, length: int) -> tuple[int, int]:
        """Numbers of the anchors before and behind a frame of a shot of `length` frames."""
        before = position // self.every
        behind = before + 1 if (before + 1) * self.every < length else before
        return before, behind

    def needed(self, start: int, stop: int, length: int) -> range:
        """Numbers of the anchors to be measured for the frames `start` to `stop` (excluded)."""
        first, _ = self.anchors_of(start, length)
        _, last = self.anchors_of(stop - 1, length)
        return range(max(0, first - self.window + 1), last + 1)

    def smoothed(self, measured: dict[int, Statistics], anchor: int) -> Statistics:
        """The exponential mean of the anchors up to `anchor`."""
        numbers = [n for n in range(anchor - self.window + 1, anchor + 1) if n >= 0]
        weights = [self.keep ** (anchor - n) for n in numbers]
        sets = zip(*(measured[n] for n in numbers), strict=True)
        return tuple(_weighted(values, weights) for values in sets)

    def at(self, measured: dict[int, Statistics], position: int, length: int) -> Statistics:
        """The statistics of a frame."""
        before, behind = self.anchors_of(position, length)
        share = (position - before * self.every) / self.every if behind > before else 0.0
        pairs = zip(self.smoothed(measured, before), self.smoothed(measured, behind), strict=True)
        return tuple(torch.lerp(a, b, share) for a, b in pairs)


class SharedNorms:
    """A copy of a generator whose instance norms can be measured, and told what to normalise by."""

    def __init__(self, generator: ResnetGenerator) -> None:
        self.generator = copy.deepcopy(generator)
        self._norms = list(_replace_norms(self.generator))

    def measure(self, images: Tensor) -> tuple[Tensor, Statistics]:
        """`[1, 3, H, W]` in [-1, 1] -> what the plain generator gives, and its statistics."""
        for norm in self._norms:
            norm.given = None
        output = self.generator(images)
        return output, tuple(norm.measured for norm in self._norms)

    def apply(self, images: Tensor, statistics: Statistics) -> Tensor:
        """`[1, 3, H, W]` in [-1, 1] -> the same shape, normalised by `statistics`."""
        for norm, given in zip(self._norms, statistics, strict=True):
            norm.given = given
        return self.generator(images)


class _SharedNorm(nn.Module):
    """An instance norm by statistics that were given, or by its own, which it keeps."""

    def __init__(self, norm: InstanceNorm) -> None:
        super().__init__()
        self.norm = norm
        self.given: Tensor | None = None
        self.measured = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        if self.given is None:
            variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
            self.measured = torch.stack([mean, variance + mean.square()])
            return self.norm(x)
        mean, square = self.given
        variance = (square - mean.square()).clamp_min(0)
        weight, bias = (
            None if p is None else p.float() for p in (self.norm.weight, self.norm.bias)
        )
        # As a batch norm at rest: it counts in float32 whatever `x` is, and in one pass. Scales
        # rounded to bf16 would move colours in steps as the statistics change.
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=_EPSILON)


def _replace_norms(module: nn.Module) -> Iterator[_SharedNorm]:
    for name, child in module.named_children():
        if isinstance(child, InstanceNorm):
            shared = _SharedNorm(child)
            setattr(module, name, shared)
            yield shared
        else:
            yield from _replace_norms(child)


def _weighted(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = sum(weights)
    stacked = torch.stack(
        [value * (weight / total) for value, weight in zip(values, weights, strict=True)]
    )
    return stacked.sum(dim=0)
