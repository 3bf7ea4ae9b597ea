"""Fits a calibration to rows of normal outputs: cross-fitted, trimmed once, one score per photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganst.scoring.calibration import (
    FAMILIES,
    JUDGED,
    MEMBERS,
    SCALE,
    SOURCE_NAMES,
    Calibration,
    Scope,
)
from ganst.scoring.columns import COLUMNS
from ganst.scoring.conformal import SizedScores, cross_fit, unusual_per_unit
from ganst.scoring.detector import Detector, Floors, UsualSizes
from ganst.scoring.reasons import Namer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganst.scoring.reference import Reference

MIN_PHOTOS = 40
_FOLDS = 10
_TRIMMED_SHARE = 0.02
_WAYS = 4  # in which an output may deviate
_ABOUT = 2 * len(SOURCE_NAMES) + 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalRows:
    """Columns of normal outputs; views of a photo share `photos`, photos of a shoot `groups`."""

    columns: Sequence[Mapping[str, float]]
    photos: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRows:
    """Columns of outputs with injected faults, the reason each should be given, and its shoot."""

    columns: Sequence[Mapping[str, float]]
    reasons: Sequence[str]
    groups: Sequence[str]


def fit_calibration(
    normal: NormalRows, faults: FaultRows, reference: Reference, scope: Scope
) -> Calibration:
    """Fit detector and namer on all rows; take the reference scores from detectors that saw less.

    The score of a photo is that of one of its more unusual views of a size (`unusual_per_unit`), by a
    detector that saw no photo of its group. Raises ValueError below 40 photos, where no p under 0.025 exists.
    """
    photos = sorted(set(normal.photos))
    if len(photos) < MIN_PHOTOS:
        raise ValueError(f"calibration needs at least {MIN_PHOTOS} photos, got {len(photos)}")
    sources, outputs = _arrays(normal.columns)
    known = _Known.of(faults)
    far = _distances(sources, outputs, normal.groups)
    kept = far <= np.quantile(far, 1 - _TRIMMED_SHARE)
    scores = _cross_fit(sources, outputs, normal.groups, known, kept)
    cuts = np.cumsum([_WAYS, _ABOUT, 1, len(FAMILIES)])
    deviations, about, unlike, families, residuals = np.split(scores, cuts, axis=1)
    detector = known.teach(Detector.fit(sources[kept], outputs[kept], FLOORS))
    return Calibration(
        scope=scope,
        reference=reference,
        detector=detector,
        sizes=UsualSizes.fit(about, deviations),
        scores=SizedScores.fit(
            _left_out(about, deviations, normal.groups),
            sources[:, SOURCE_NAMES.index(SCALE)],
            normal.photos,
            MIN_PHOTOS,
        ),
        source_scores=unusual_per_unit(unlike[:, 0], normal.photos),
        family_scores={
            family: unusual_per_unit(families[:, index], normal.photos)
            for index, family in enumerate(FAMILIES)
        },
        limits=np.quantile(residuals, [0.01, 0.99], axis=0),
        namer=Namer.fit(
            detector.residuals(known.sources, known.outputs), faults.reasons, faults.groups
        ),
        facts={
            "photos": len(photos),
            "groups": len(set(normal.groups)),
            "views": len(sources),
            "trimmed": int((~kept).sum()),
        },
    )


def _distances(sources: np.ndarray, outputs: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Of every row, by a detector that was fitted without its group, `[n]`."""

    def score(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        detector = Detector.fit(sources[train], outputs[train], FLOORS)
        return detector.distance(detector.residuals(sources[held_out], outputs[held_out]))

    return cross_fit(groups, _FOLDS, score)


def _left_out(about: np.ndarray, deviations: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Anomaly scores by sizes that were fitted without the row's group, `[n]`."""

    def score(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        sizes = UsualSizes.fit(about[train], deviations[train])
        return sizes.unusual(about[held_out], deviations[held_out])

    return cross_fit(groups, _FOLDS, score)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """`FaultRows` as arrays: `sources` `[n, X]`, `outputs` `[n, D]`, the others `[n]`."""

    sources: np.ndarray
    outputs: np.ndarray
    reasons: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, faults: FaultRows) -> _Known:
        sources, outputs = _arrays(faults.columns)
        reasons, groups = np.array(faults.reasons), np.array(faults.groups)
        return cls(sources=sources, outputs=outputs, reasons=reasons, groups=groups)

    def teach(self, detector: Detector, without: Sequence[str] = ()) -> Detector:
        """Teach the faults; those of photos of some groups only where there are no others."""
        taken = ~np.isin(self.groups, without)
        taken |= not taken.any()
        residuals = detector.residuals(self.sources[taken], self.outputs[taken])
        return detector.taught(residuals, self.reasons[taken].tolist())


def _cross_fit(
    sources: np.ndarray,
    outputs: np.ndarray,
    groups: Sequence[str],
    known: _Known,
    kept: np.ndarray,
) -> np.ndarray:
    """Deviations, what the photos are like, source and family scores and residuals of every row.

    `[n, 4 + (4 + 2 X) + 1 + 5 + D]`; fits `kept` only.
    """

    def score(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        train = train[kept[train]]
        detector = Detector.fit(sources[train], outputs[train], FLOORS)
        detector = known.teach(detector, without=[groups[index] for index in held_out])
        residuals = detector.residuals(sources[held_out], outputs[held_out])
        blocks = [detector.distance(residuals, MEMBERS[family]) for family in FAMILIES]
        photos = sources[held_out]
        alike = [detector.about(photos), detector.source_distance(photos)]
        return np.column_stack([detector.deviations(residuals), *alike, *blocks, residuals])

    return cross_fit(groups, _FOLDS, score)


def _arrays(rows: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    sources = np.array([[row[name] for name in SOURCE_NAMES] for row in rows])
    outputs = np.array([[row[column.name] for column in JUDGED] for row in rows])
    return sources, outputs


# In σ. Good outputs clip next to nothing, so the little that paper and snow lead to is far out in a
# column of which no other and none of the photo's tells. What clips by a fault shows in those of light.
# Frequencies alone are off where half of a photo is soft; what shifts them by a fault shows elsewhere, too.
_MOST = {"a_clip": 0.3, "s_spectrum": 2.5}
_SIGNS = {"high_bad": 1.0, "low_bad": -1.0, "two_sided": 0.0}
FLOORS = Floors(
    sources=np.array([column.floor for column in COLUMNS if column.family == "source"]),
    outputs=np.array([column.floor for column in JUDGED]),
    signs=np.array([_SIGNS[column.direction] for column in JUDGED]),
    most=np.array([_MOST.get(column.name, np.inf) for column in JUDGED]),
)
