"""Conformal p-values: the share of normal outputs that look at least as unusual as this one.

The unit is the source photo, not the view: crops and bursts of one photo are not exchangeable, and
calibrating on them gave 39-51 % false alarms on unseen photos at a nominal 5 %.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LARGE = 800.0  # px of the short side from which on a photo is large
_MIXED = (720.0, 900.0)  # between them the p-values of both sizes are mixed
_ODDER = 0.27  # share of a photo's views from the oddest down to the one that it counts by


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedScores:
    """Sorted reference scores of ordinary photos and of large ones, `[n]` and `[m]`.

    Each size is compared with its like (Mondrian conformal, Vovk 2005, section 4.5): outputs of
    large photos score higher, and in one reference they set the threshold for all.
    """

    ordinary: np.ndarray
    large: np.ndarray

    @classmethod
    def fit(
        cls, scores: np.ndarray, scales: np.ndarray, units: Sequence[str], fewest: int
    ) -> SizedScores:
        """Fit scores `[n]` of views, `scales` `[n]` in log2 px of the short side, of photos `units`.

        A size of which there are fewer than `fewest` photos is not told from the other.
        """
        is_large, names = scales >= np.log2(LARGE), np.asarray(units)
        parts = [(scores[one], names[one]) for one in (~is_large, is_large)]
        if min(len(set(photos.tolist())) for _, photos in parts) < fewest:
            parts = [(scores, names)] * 2
        ordinary, large = (unusual_per_unit(of, photos.tolist()) for of, photos in parts)
        return cls(ordinary=ordinary, large=large)

    def p(self, score: float, scale: float, key: str) -> float:
        """p-value of an output whose photo has a short side of 2 ** `scale` px; `key` breaks ties."""
        low, high = np.log2(_MIXED)
        share = float(np.clip((scale - low) / (high - low), 0, 1))
        ordinary = p_value(score, self.ordinary, key) if share < 1 else 0.0
        large = p_value(score, self.large, key) if share > 0 else 0.0
        return (1 - share) * ordinary + share * large


def p_value(score: float, reference: np.ndarray, key: str) -> float:
    """(1 + #{reference >= score}) / (n + 1), interpolated between two of them; `reference` is sorted.

    Ties are broken at random by `key`. Between two scores p falls evenly from the count at the lower
    one to that at the higher: with n = 185 a p of exactly .01 lies there, and the odder of the two
    alone would set the threshold. The density of scores falls too, so that this errs on the safe side.
    Above all of them, and for NaN (nothing normal is not a number), p = 1 / (n + 1).
    """
    count = len(reference)
    if np.isnan(score):
        return 1 / (count + 1)
    left = int(np.searchsorted(reference, score, "left"))
    right = int(np.searchsorted(reference, score, "right"))
    ties, above = right - left, count - right
    if ties:
        return (1 + above + int(uniform(key) * (ties + 1))) / (count + 1)
    return (1 + above - _way_up(score, reference, left)) / (count + 1)


def _way_up(score: float, reference: np.ndarray, rank: int) -> float:
    """How far `score` lies from the next lower of the sorted scores to the next higher, 0..1."""
    if rank in (0, len(reference)):
        return 0.0
    low, high = float(reference[rank - 1]), float(reference[rank])
    return (score - low) / (high - low)


def uniform(key: str) -> float:
    """A number in [0, 1) that belongs to `key`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def cross_fit(
    groups: Sequence[str], folds: int, score: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Scores of every row by a detector that saw no row of its group: `[n, ...]`.

    `score(train, held_out)` takes two index arrays and returns one row of scores per held-out row.
    """
    fold_of = fold_by_group(groups, folds)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for fold in range(max(fold_of) + 1):
        held_out = np.flatnonzero(fold_of == fold)
        parts.append((held_out, score(np.flatnonzero(fold_of != fold), held_out)))
    order = np.argsort(np.concatenate([held_out for held_out, _ in parts]))
    return np.concatenate([scores for _, scores in parts])[order]


def fold_by_group(groups: Sequence[str], folds: int) -> np.ndarray:
    """Fold index per row, `[n]`: a group is never split, groups are dealt out largest first."""
    names, counts = np.unique(np.asarray(groups), return_counts=True)
    if len(names) < 2:
        raise ValueError(f"cross-fitting needs at least 2 groups, got {len(names)}")
    load = np.zeros(min(folds, len(names)), dtype=int)
    fold_of: dict[str, int] = {}
    for index in np.lexsort((names, -counts)):
        fold = int(load.argmin())
        fold_of[str(names[index])] = fold
        load[fold] += counts[index]
    return np.array([fold_of[group] for group in groups])


def unusual_per_unit(scores: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """The score that each unit counts by, sorted: `[number of units]`.

    A photo counts once: by the third most unusual of eleven views, the oddest of five, the only one of a
    size. p-values are then conservative for any one view of a new photo, which pays for the photos
    from elsewhere that no calibration has seen (docs/benchmarks.md has what was measured).
    """
    names, index = np.unique(np.asarray(units), return_inverse=True)
    return np.sort([_counted(scores[index == unit]) for unit in range(len(names))])


def _counted(scores: np.ndarray) -> float:
    rank = max(1, round(_ODDER * len(scores)))
    return float(np.sort(scores)[-rank])


def false_alarm_bound(count: int, alpha: float, confidence: float = 0.95) -> float:
    """Upper bound of the realised false-alarm rate at level `alpha` over calibration draws.

    With n scores the rate is Beta(k, n + 1 - k), k = floor(alpha (n + 1)) (Vovk 2012).
    """
    from scipy.stats import beta  # half a second, not needed to judge

    rank = int(np.floor(alpha * (count + 1)))
    if rank == 0:
        return 0.0
    return float(beta.ppf(confidence, rank, count + 1 - rank))


def q_values(p: np.ndarray) -> np.ndarray:
    """The least false-discovery rate at which each of the p-values `[n]` of a run would be flagged.

    Benjamini-Hochberg 1995, which holds for conformal p-values of one calibration too (Bates 2023,
    doi:10.1214/22-AOS2244, theorem 2). NaN is no p-value, and has no q.
    """
    q = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        from scipy.stats import false_discovery_control

        q[known] = false_discovery_control(p[known], method="bh")
    return q


def power_floor(count: int) -> float:
    """The smallest p that `count` calibration scores can give."""
    return 1 / (count + 1)
