"""A calibration: everything that turns one row of columns into a judgement, frozen and bound.

It is fitted on outputs taken as normal and belongs to one style digest, a set of precisions and
output formats, and one scorer version. Outside of that it says so instead of giving a wrong p.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

from ganst.scoring.calibration_file import LAYOUT, CalibrationError, id_of, parse, read, under
from ganst.scoring.columns import COLUMNS, SCORER_VERSION
from ganst.scoring.conformal import SizedScores, false_alarm_bound, p_value, power_floor
from ganst.scoring.detector import Detector, UsualSizes, bounded
from ganst.scoring.reasons import Namer, evidence
from ganst.scoring.reference import Reference, StyleReference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FAMILIES = ("content", "style", "passthrough", "artifact", "color")
SOURCE_NAMES = tuple(column.name for column in COLUMNS if column.family == "source")
JUDGED = tuple(column for column in COLUMNS if column.family != "source")
MEMBERS = {
    family: np.array([index for index, column in enumerate(JUDGED) if column.family == family])
    for family in FAMILIES
}
SCALE = "x_scale"
_LOSSLESS = ("png", "tiff", "bmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a calibration holds for. `formats` are output formats, each from `min_quality` up."""

    style_digest: str
    precisions: tuple[str, ...]
    formats: tuple[str, ...]
    min_quality: int
    strength: float

    def refuses(
        self, *, style_digest: str, precision: str, file_format: str, quality: int, strength: float
    ) -> str | None:
        """Say in one sentence why outputs made this way are not covered; None where they are."""
        if style_digest != self.style_digest:
            return f"calibrated for style {self.style_digest[:12]}, not {style_digest[:12]}"
        if precision not in self.precisions:
            return f"calibrated for precision {'/'.join(self.precisions)}, not {precision}"
        if file_format not in self.formats:
            return f"calibrated for {'/'.join(self.formats)} files, not {file_format}"
        if quality < self.min_quality and file_format not in _LOSSLESS:
            return f"calibrated from quality {self.min_quality} up, not {quality}"
        if strength != self.strength:
            return f"calibrated for strength {self.strength:g}, not {strength:g}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the score row says; p-values in 0..1, small = anomalous."""

    p_anomaly: float
    anomaly: float
    p_content: float
    p_style: float
    p_passthrough: float
    p_artifact: float
    p_color: float
    p_source: float  # of the photo, whatever became of it: small = unlike those calibrated on
    reason: str
    reason_probability: float
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Reference, detector, sorted reference scores and namer of one style.

    `sizes`: how large the detector's deviations usually are, given the photo; `scores` by the size of
    the photo, `source_scores` and `family_scores[family]` `[n]`: one cross-fitted score per calibration photo;
    `limits` `[2, D]`: 1st and 99th percentile of the residuals of outputs left out of the fit.
    """

    scope: Scope
    reference: Reference
    detector: Detector
    sizes: UsualSizes
    scores: SizedScores
    source_scores: np.ndarray
    family_scores: Mapping[str, np.ndarray]
    limits: np.ndarray
    namer: Namer
    facts: Mapping[str, Any]
    scorer_version: str = SCORER_VERSION

    @property
    def style_digest(self) -> str:
        """Digest of the style whose outputs were calibrated."""
        return self.scope.style_digest

    @property
    def precision(self) -> str:
        """Precisions covered, joined by "+"."""
        return "+".join(self.scope.precisions)

    @property
    def calibration_id(self) -> str:
        """16 hex digits that change with anything in the file."""
        return id_of(self.to_bytes())

    def judge(self, columns: Mapping[str, float], key: str) -> Judgement:
        """Judge one row of `measure`; `key` (the attempt id) breaks ties, always the same way."""
        residuals = self.residuals(columns)
        score = self.anomaly(columns, self.detector.deviations(residuals[None])[0])
        families = {f"p_{family}": self._family_p(residuals, family, key) for family in FAMILIES}
        reason, probability = self.namer.name(residuals)
        return Judgement(
            p_anomaly=self.scores.p(score, columns[SCALE], key),
            anomaly=score,
            p_source=self._source_p(columns, key),
            reason=reason,
            reason_probability=probability,
            evidence=evidence(residuals, JUDGED),
            **families,
        )

    def anomaly(self, columns: Mapping[str, float], deviations: np.ndarray) -> float:
        """The score of deviations `[W]`, given what the photo is like."""
        about = self.detector.about(_sources(columns))
        return float(self.sizes.unusual(about, deviations[None])[0])

    def residuals(self, columns: Mapping[str, float]) -> np.ndarray:
        """What is unexpected given the photo, in σ, in the order of `JUDGED`: `[D]`."""
        outputs = np.array([[columns[column.name] for column in JUDGED]])
        return self.detector.residuals(_sources(columns), outputs)[0]

    def p_values(
        self, sources: np.ndarray, residuals: np.ndarray, keys: Sequence[str]
    ) -> np.ndarray:
        """p-values `[n]` of residuals `[n, D]` of photos `[n, X]`; `keys` break ties."""
        deviations = self.detector.deviations(bounded(residuals, self.detector.signs))
        scores = self.sizes.unusual(self.detector.about(sources), deviations)
        scales = sources[:, SOURCE_NAMES.index(SCALE)]
        triples = zip(scores.tolist(), scales.tolist(), keys, strict=True)
        return np.array([self.scores.p(*triple) for triple in triples])

    def false_alarm_bound(self, alpha: float) -> float:
        """95 % upper bound of the false-alarm rate at `alpha`, on photos like the calibration's."""
        return false_alarm_bound(len(self.scores.ordinary), alpha)

    @property
    def power_floor(self) -> float:
        """The smallest p this calibration can give."""
        return power_floor(len(self.scores.ordinary))

    def _family_p(self, residuals: np.ndarray, family: str, key: str) -> float:
        score = float(self.detector.distance(residuals[None], MEMBERS[family])[0])
        return p_value(score, self.family_scores[family], f"{key}/{family}")

    def _source_p(self, columns: Mapping[str, float], key: str) -> float:
        score = float(self.detector.source_distance(_sources(columns))[0])
        return p_value(score, self.source_scores, f"{key}/source")

    def to_bytes(self) -> bytes:
        """Serialise as safetensors with one JSON entry of metadata; the same bytes every time."""
        arrays = {
            "sizes": self.sizes.weights,
            "sizes.spread": self.sizes.spread,
            "scores": self.scores.ordinary,
            "scores.large": self.scores.large,
            "scores.source": self.source_scores,
            "limits": self.limits,
        }
        arrays |= {f"scores.{family}": self.family_scores[family] for family in FAMILIES}
        arrays |= {f"reference.{k}": v for k, v in self.reference.to_arrays().items()}
        arrays |= {f"detector.{k}": v for k, v in self.detector.to_arrays().items()}
        arrays |= self.namer.to_arrays()
        text = json.dumps(self._header(), sort_keys=True)
        ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
        return save(ordered, metadata={"ganst": text})

    @classmethod
    def from_bytes(cls, data: bytes) -> Calibration:
        """Undo `to_bytes`. Raises `CalibrationError` for anything else or another version's."""
        header, arrays = read(data)
        try:
            return cls._assemble(header, arrays)
        except (KeyError, TypeError) as error:
            raise CalibrationError(f"calibration file lacks {error}") from error

    @classmethod
    def _assemble(cls, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Calibration:
        scope = header["scope"]
        return cls(
            scope=Scope(
                style_digest=scope["style_digest"],
                precisions=tuple(scope["precisions"]),
                formats=tuple(scope["formats"]),
                min_quality=scope["min_quality"],
                strength=scope["strength"],
            ),
            reference=Reference.from_arrays(under(arrays, "reference.")),
            detector=Detector.from_arrays(under(arrays, "detector.")),
            sizes=UsualSizes(weights=arrays["sizes"], spread=arrays["sizes.spread"]),
            scores=SizedScores(ordinary=arrays["scores"], large=arrays["scores.large"]),
            source_scores=arrays["scores.source"],
            family_scores={family: arrays[f"scores.{family}"] for family in FAMILIES},
            limits=arrays["limits"],
            namer=Namer.from_arrays(arrays, header["reasons"]),
            facts=header["facts"],
            scorer_version=header["scorer_version"],
        )

    def _header(self) -> dict[str, Any]:
        return {
            "layout": LAYOUT,
            "scorer_version": self.scorer_version,
            "columns": [column.name for column in COLUMNS],
            "scope": asdict(self.scope),
            "reasons": list(self.namer.reasons),
            "facts": dict(self.facts),
        }


def _sources(columns: Mapping[str, float]) -> np.ndarray:
    """`[1, X]`."""
    return np.array([[columns[name] for name in SOURCE_NAMES]])


def known_style(data: bytes) -> StyleReference:
    """The statistics of the paintings in a calibration, of an older scorer version too.

    Raises `CalibrationError` where the bytes hold none.
    """
    _, arrays = parse(data)
    try:
        return StyleReference.from_arrays(under(arrays, "reference."))
    except KeyError as error:
        raise CalibrationError(f"calibration file lacks {error}") from error
