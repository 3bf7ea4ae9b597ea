"""What a candidate is judged with: the calibration, the run around it, and columns without a say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ganst.scoring.calibration import JUDGED, MEMBERS, SCALE
from ganst.scoring.detector import bounded
from ganst.scoring.measuring import measure, measure_quickly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ganst.scoring.calibration import Calibration, Judgement
    from ganst.scoring.canonical import Canvas
    from ganst.scoring.columns import Column
    from ganst.scoring.relative import RunScale


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The flagged output that is to be replaced; pixels and judgement None if it was unreadable."""

    pixels: Tensor | None
    judgement: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What the network makes of the photo: its columns, and uint8 `[3, H, W]` where it can be read."""

    columns: Mapping[str, float]
    pixels: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a candidate is tried with.

    `others`: other photos of the run and their good outputs, any sizes; the first output serves as
    a decoy. `recompress`: write as JPEG 95, read back; `key`: breaks ties of p-values; `ignored`:
    families of columns that made the candidate, which therefore prove nothing. `run_scale`: what
    is usual in this run, where its photos are unlike those calibrated on. `restored`: the candidate has
    the very bytes that the network first gave, which were damaged since: nothing was chosen.
    `rendering`: what the network makes of the photo, where that is known.
    """

    calibration: Calibration
    alpha: float
    others: Sequence[tuple[Tensor, Tensor]]
    recompress: Callable[[Tensor], Tensor]
    key: str
    ignored: tuple[str, ...] = ()
    run_scale: RunScale | None = None
    restored: bool = False
    rendering: Rendering | None = None

    def judge(self, columns: Mapping[str, float]) -> Judgement:
        """A judgement in which the ignored columns have no say; all others count for more."""
        judgement = self.calibration.judge(columns, self.key)
        if not self.ignored:
            return judgement
        score = self._score(columns, self.calibration.residuals(columns))
        return replace(judgement, anomaly=score, p_anomaly=self._p(score, columns))

    def judge_image(self, source: Tensor, output: Tensor) -> Judgement:
        """Measure uint8 `[3, H, W]` both, and judge."""
        return self.judge(measure(source, output, self.calibration.reference))

    def surpasses(
        self, photo: Canvas, output: Tensor, sources: Mapping[str, float], anomaly: float
    ) -> bool:
        """Whether an output is more unusual than `anomaly`, told from its quickest columns alone.

        True is certain, as no distance over some columns is larger than over all; False is not.
        `sources`: the source columns of `photo`.
        """
        found = measure_quickly(photo, output)
        members = np.array([i for i, column in enumerate(JUDGED) if self._may_tell(column, found)])
        zeros = dict.fromkeys((column.name for column in JUDGED), 0.0)
        residuals = self.calibration.residuals(zeros | dict(sources) | found)[None]
        least = self.calibration.detector.at_least(residuals, members)[0]
        return self.calibration.anomaly(sources, least) > anomaly

    def _may_tell(self, column: Column, found: Mapping[str, float]) -> bool:
        return column.name in found and column.family not in self.ignored

    def relative_p(self, columns: Mapping[str, float]) -> float | None:
        """The p-value relative to the run, the ignored columns left out; None without `run_scale`."""
        if self.run_scale is None:
            return None
        left = self.run_scale.apply(self.calibration.residuals(columns)[None])
        return self._p(
            self._score(columns, bounded(left, self.calibration.detector.signs)[0]), columns
        )

    def _p(self, score: float, columns: Mapping[str, float]) -> float:
        return self.calibration.scores.p(score, columns[SCALE], self.key)

    def _score(self, columns: Mapping[str, float], residuals: np.ndarray) -> float:
        """The anomaly of residuals `[D]`, the ignored ones at what the others lead one to expect.

        That makes the Mahalanobis distance the one of the others alone, which is smaller for their
        fewer number; it is scaled up by as much, so that leaving columns out is no way to pass.
        """
        calibration = self.calibration
        if not self.ignored:
            return calibration.anomaly(columns, calibration.detector.deviations(residuals[None])[0])
        precision = calibration.detector.precision
        out = np.sort(np.concatenate([MEMBERS[family] for family in self.ignored]))
        kept = np.setdiff1d(np.arange(len(residuals)), out)
        pull = precision[np.ix_(out, kept)] @ residuals[kept]
        residuals = residuals.copy()
        residuals[out] = -np.linalg.solve(precision[np.ix_(out, out)], pull)
        deviations = calibration.detector.deviations(residuals[None])[0]
        deviations[0] *= len(residuals) / len(kept)
        return calibration.anomaly(columns, deviations)
