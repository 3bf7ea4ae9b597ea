"""A histogram of p-values as drawn on the page: where nothing is wrong, its bars are level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NUM_BINS = 20
WIDTH = 560
HEIGHT = 150
_GAP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bin; x, y, width and height in units of the drawing, `low` and `high` are p-values."""

    x: float
    y: float
    width: float
    height: float
    count: int
    low: float
    high: float
    is_flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Bars, and the heights of the line that p-values of good images would follow and of alpha."""

    bars: tuple[Bar, ...]
    level_y: float
    alpha_x: float
    total: int
    highest: int


def histogram(p_values: Sequence[float], alpha: float) -> Histogram:
    """Bins of 0.05 over [0, 1], upper edges included: the first bin is flagged at alpha 0.05."""
    counts = [0] * NUM_BINS
    for p in p_values:
        counts[_bin(p)] += 1
    highest = max([*counts, 1])
    step = WIDTH / NUM_BINS
    bars = tuple(
        Bar(
            x=round(index * step + _GAP / 2, 2),
            y=round(HEIGHT * (1 - count / highest), 2),
            width=round(step - _GAP, 2),
            height=round(HEIGHT * count / highest, 2),
            count=count,
            low=index / NUM_BINS,
            high=(index + 1) / NUM_BINS,
            is_flagged=(index + 1) / NUM_BINS <= alpha + 1e-9,
        )
        for index, count in enumerate(counts)
    )
    level = len(p_values) / NUM_BINS / highest
    return Histogram(
        bars=bars,
        level_y=round(HEIGHT * (1 - level), 2),
        alpha_x=round(WIDTH * alpha, 2),
        total=len(p_values),
        highest=highest,
    )


def _bin(p: float) -> int:
    """0.05 is flagged at alpha 0.05 and so belongs to the first bin, as does 1 to the last."""
    index = int(p * NUM_BINS)
    on_edge = abs(p * NUM_BINS - index) < 1e-9
    return min(max(index - on_edge, 0), NUM_BINS - 1)
