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


def sample_for_scale(count: int) -> range:
    """Which of so many outputs say what is usual in their run: all, or an even sample of 4000 and more."""
    return range(0, count, max(1, count // _MOST))


def scale_of_run(calibration: Calibration, sources: np.ndarray, outputs: np.ndarray) -> RunScale:
    """The scale of a run of source columns `[n, X]` and judged columns `[n, D]`.

    Of many rows a sample is enough (`sample_for_scale`). Raises ValueError for fewer than 20.
    """
    return RunScale.fit(calibration.detector.residuals(sources, outputs))


def relative_p(
    calibration: Calibration,
    scale: RunScale,
    sources: np.ndarray,
    outputs: np.ndarray,
    keys: Sequence[str],
) -> np.ndarray:
    """p-values `[n]` relative to the scale of the run; `keys` break ties.

    Of source columns `[n, X]` and judged columns `[n, D]`, row by row: a run may be cut into pieces.
    """
    residuals = calibration.detector.residuals(sources, outputs)
    return calibration.p_values(sources, scale.apply(residuals), keys)
