"""Norm statistics, and an exposure, that the frames of a shot share.

Instance norm measures every frame for itself: where something bright enters the picture, all other
colours jump; so they do where dark frames are each brightened by what it needs. Here frames are
normalised by statistics that change slowly, and start anew at a cut.

A shot is stylized in pieces by different processes, so nothing may depend on where a piece begins.
Statistics are measured on every `every`-th frame, counted from the first frame of the shot; an
anchor's are the exponential mean over the last `window` anchors; those of a frame lie between the
anchors before and behind it. Whoever stylizes a piece measures the few anchors it needs itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# How far the exposure is below 1, `[]`; then of each norm in turn `[2, C]`, mean and mean of squares.
Statistics = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSchedule:
    """Which frames are measured, and how far back their statistics count; positions in a shot."""

    every: int = 24  # frames
    window: int = 2  # anchors
    keep: float = 0.36  # weight of an anchor beside that of the next one

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


def _weighted(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = sum(weights)
    stacked = torch.stack(
        [value * (weight / total) for value, weight in zip(values, weights, strict=True)]
    )
    return stacked.sum(dim=0)
