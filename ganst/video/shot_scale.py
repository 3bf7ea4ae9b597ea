"""What is usual for the shots of a style, and how far off another shot is.

One number a shot, so that a p-value needs no correction for having looked at several columns: the
largest of its columns, each counted from the usual (the median) in units of the way to the 90th
percentile. Its p-value is conformal over the shots that the scale was fitted to.
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

    def judge(self, columns: Mapping[str, float], key: str) -> tuple[float, float, str]:
        """The p-value of a shot, its score, and the column that it is furthest off by."""
        values = np.array([columns[name] for name in COLUMNS])
        off = (values - self.medians) / self.units
        worst = int(off.argmax())
        return p_value(float(off[worst]), self.scores, key), float(off[worst]), COLUMNS[worst]

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
