"""What is usual for the shots of a style, and how far off another shot is.

One number a shot, so that a p-value needs no correction for having looked at several columns: the
largest of its columns, each counted from the usual (the median) in units of the way to the 90th
percentile. Its p-value is conformal over the shots that the scale was fitted to.

A clip of n shots is judged by n times its smallest p. Conformal p-values of a hundred shots end at
0.01, so that no clip of more than five could ever be flagged. Beyond the largest score that was seen
the p-value therefore follows a generalized Pareto tail (peaks over a threshold; Coles 2001, 4.3), whose
shape is set heavier than any that was found: it can flag too little there, and not too much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganst.scoring.conformal import p_value
from ganst.video.flicker import COLUMNS as FLICKER_COLUMNS

FRAMES = "v_frames"  # the largest anomaly of the shot's frames, as photos are scored
COLUMNS = (FRAMES, *FLICKER_COLUMNS)
# The least that the 90th percentile lies over the median: what nobody sees is no fault.
_LEAST = {
    FRAMES: 0.2,
    "v_flicker": 0.5,
    "v_shimmer": 0.5,
    "v_lum_drift": 2.0,
    "v_stuck": 0.05,
}
# What to call a shot that is off by that column; off by its frames, it has the reason of the worst.
REASONS = {
    "v_flicker": "flicker",
    "v_shimmer": "shimmer",
    "v_lum_drift": "drift",
    "v_stuck": "stuck",
}
WORDS = {FRAMES: "its oddest frame"} | REASONS
_TAIL_FROM = 0.8  # quantile of the scores whose excesses give the tail its width
_TAIL_SHAPE = 0.25
_LEAST_WIDTH = 0.25  # of the tail, in units of the score
MIN_SHOTS = 20  # below, no p-value can be under 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotScale:
    """Medians and units of the columns `[5]` in the order of `COLUMNS`, and sorted scores `[n]`."""

    medians: np.ndarray
    units: np.ndarray
    scores: np.ndarray

    @classmethod
    def fit(cls, rows: Sequence[Mapping[str, float]]) -> "ShotScale":
        """Fit to the columns of shots that are taken as good.

        Raises:
            ValueError: Fewer than `MIN_SHOTS`.

        """
        if len(rows) < MIN_SHOTS:
            raise ValueError(f"a scale of shots needs at least {MIN_SHOTS}, got {len(rows)}")
        values = np.array([[row[name] for name in COLUMNS] for row in rows])
        medians, highs = np.median(values, axis=0), np.quantile(values, 0.9, axis=0)
        units = np.maximum(highs - medians, [_LEAST[name] for name in COLUMNS])
        scores = np.sort(((values - medians) / units).max(axis=1))
        return cls(medians=medians, units=units, scores=scores)

    def deviations(self, columns: Mapping[str, float]) -> np.ndarray:
        """How far each column is from the median, 1 = 90th percentile of usual shots: `[5]`."""
        values = np.array([columns[name] for name in COLUMNS])
        return (values - self.medians) / self.units

    def judge(self, columns: Mapping[str, float], key: str) -> tuple[float, float, str]:
        """The p-value of a shot, its score, and the column that it is furthest off by."""
        off = self.deviations(columns)
        worst = int(off.argmax())
        score = float(off[worst])
        return p_value(score, self.scores, key) * self._tail(score), score, COLUMNS[worst]

    def _tail(self, score: float) -> float:
        """By how much rarer than the largest score that was seen; 1 up to there, and for no number."""
        largest, threshold = self.scores[-1], np.quantile(self.scores, _TAIL_FROM)
        if not score > largest:
            return 1.0
        excesses = self.scores[self.scores >= threshold] - threshold
        width = max(float(excesses.mean()), _LEAST_WIDTH) + _TAIL_SHAPE * (largest - threshold)
        return float((1 + _TAIL_SHAPE * (score - largest) / width) ** (-1 / _TAIL_SHAPE))

    def to_json(self) -> dict[str, list[float]]:
        """Plain JSON values."""
        return {name: getattr(self, name).tolist() for name in ("medians", "units", "scores")}

    @classmethod
    def from_json(cls, facts: Mapping[str, Sequence[float]]) -> "ShotScale":
        """What `to_json` gave.

        Raises:
            ValueError: Anything else.

        """
        try:
            found = {
                name: np.asarray(facts[name], dtype=float)
                for name in ("medians", "units", "scores")
            }
        except (KeyError, TypeError) as error:
            raise ValueError(f"no scale of shots: {error}") from error
        if any(found[name].shape != (len(COLUMNS),) for name in ("medians", "units")):
            raise ValueError("no scale of shots: another number of columns")
        return cls(**found)
