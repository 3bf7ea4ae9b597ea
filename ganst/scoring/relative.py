"""How unusual an output is among those of its own run, for runs whose photos the calibration lacks.

Photos of another kind move all residuals of a run alike, and p-values against the calibration are
then too small for all of them. What is left when the run's own middle and spread are taken out can
be compared with the calibration again: a ranking, and no promise. Letters: n rows, D columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganst.scoring.calibration import Calibration

MIN_OUTPUTS = 20
_MOST = 4000  # outputs that the middle and the spread are taken from


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScale:
    """Medians `[D]` of a run's residuals, and by how much they spread more than calibrated, `[D]`."""

    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, residuals: np.ndarray) -> RunScale:
        """Fit `[n, D]`; up to a third of the rows may be faulty.

        Raises ValueError for fewer than 20 rows.
        """
        if len(residuals) < MIN_OUTPUTS:
            raise ValueError(f"a run's own scale needs {MIN_OUTPUTS} outputs, got {len(residuals)}")
        middle = np.median(residuals, axis=0)
        spread = 1.4826 * np.median(np.abs(residuals - middle), axis=0)
        return cls(middle=middle, spread=np.maximum(spread, 1.0))

    def apply(self, residuals: np.ndarray) -> np.ndarray:
        """What is left of `[n, D]`."""
        return (residuals - self.middle) / self.spread


def scale_of_run(calibration: Calibration, sources: np.ndarray, outputs: np.ndarray) -> RunScale:
    """The scale of a run of source columns `[n, X]` and judged columns `[n, D]`.

    Of more than 4000 rows an even sample is taken. Raises ValueError for fewer than 20.
    """
    every = max(1, len(sources) // _MOST)
    return RunScale.fit(calibration.detector.residuals(sources[::every], outputs[::every]))


def relative_p(
    calibration: Calibration, sources: np.ndarray, outputs: np.ndarray, keys: Sequence[str]
) -> np.ndarray:
    """p-values `[n]` relative to the run of source columns `[n, X]` and judged columns `[n, D]`.

    `keys` break ties. Raises ValueError for fewer than 20 rows.
    """
    scale = scale_of_run(calibration, sources, outputs)
    found = []
    for start in range(0, len(sources), _MOST):
        part = slice(start, start + _MOST)
        residuals = calibration.detector.residuals(sources[part], outputs[part])
        found.append(calibration.p_values(sources[part], scale.apply(residuals), keys[part]))
    return np.concatenate(found)
