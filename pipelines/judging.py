"""One judged image as the fields of a row; shared by scoring, correction and pairs of any tool."""

import hashlib
import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor
from upath import UPath

from ganst.models.stylepack import CALIBRATION_FILE
from ganst.scoring.backbone import BACKBONE_COLUMNS, measure_backbone
from ganst.scoring.calibration import Calibration, CalibrationError, Judgement
from ganst.scoring.calibration_file import id_of
from ganst.scoring.canonical import UnsupportedImageError
from ganst.scoring.columns import COLUMN_NAMES, SCORER_VERSION
from ganst.scoring.fingerprint import fingerprint
from ganst.scoring.measuring import measure
from ganst.scoring.relative import RunScale
from pipelines.delivery import Delivery, delivery_of
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.images import DecodedImage, decode
from pipelines.naming import format_of
from pipelines.run_folder import RunJob
from pipelines.runs import Run
from pipelines.scratch import DEFAULT_MEMORY_MB
from pipelines.storage import read_bytes

CALIBRATED_SUBSAMPLING = "4:4:4"  # of the JPEG files that calibrations are fitted to
JUDGEMENT_FIELDS = tuple(Judgement.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Where the calibration lies, and what outputs it has to cover."""

    style_path: str
    style_digest: str
    precision: str
    quality: int
    strength: float
    alpha: float
    memory_mb: int = DEFAULT_MEMORY_MB
    subsampling: str = CALIBRATED_SUBSAMPLING


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsJob(RunJob):
    """What a worker needs to know to judge outputs of a run, or to make others."""

    judge: Judge
    max_side: int | None
    max_pixels: int
    delivery: Delivery
    run_scale: RunScale | None = None  # what is usual in it, where its photos have moved


def outputs_job(run: Run) -> OutputsJob:
    """The part of a run that travels to workers who score or correct."""
    config = run.config
    judge = Judge(
        style_path=str(run.style_path),
        style_digest=run.pack.digest,
        precision=run.precision,
        quality=config.quality,
        strength=config.strength,
        alpha=config.alpha,
        memory_mb=config.memory_mb,
        subsampling=config.subsampling,
    )
    return OutputsJob(
        photos=str(run.photos),
        run=str(run.folder.root),
        judge=judge,
        max_side=config.max_side,
        max_pixels=config.max_pixels,
        delivery=delivery_of(run),
    )


def score_fields(
    source: Tensor, output: Tensor, judge: Judge, *, key: str, output_name: str
) -> dict[str, Any]:
    """Status, judgement and columns of an output, uint8 `[3, H, W]` both.

    An image that cannot be scored gives a row that says so; what is not known is None.
    """
    known = load_calibration(judge.style_path)
    empty = _empty_fields() | {"scorer_version": SCORER_VERSION}
    if known is None:
        return empty | {"score_status": "uncalibrated", "evidence": "the style has no calibration"}
    calibration, empty["calibration_id"] = known
    empty |= {"source_print": _print(source), "output_print": _print(output)}
    if source.shape != output.shape:
        return empty | _certain("wrong_size", "the output has another size than the photo")
    try:
        columns: dict[str, Any] = {**measure(source, output, calibration.reference)}
    except UnsupportedImageError as error:
        return empty | {"score_status": "unsupported", "evidence": str(error)}
    if not all(map(math.isfinite, columns.values())):
        return empty | columns | _certain("nonfinite", "columns that are no numbers")
    columns |= measure_backbone(source, output)
    refusal = _refusal(calibration, judge, output_name)
    if refusal:
        return empty | columns | {"score_status": "uncalibrated", "evidence": refusal}
    return empty | columns | _judged(calibration, columns, judge, key)


def read_output(path: UPath, max_pixels: int) -> tuple[DecodedImage | None, str | None]:
    """The output and the digest of its bytes; None where it is gone or cannot be decoded."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return None, None
    digest = hashlib.sha256(data).hexdigest()
    try:
        return decode(data, max_pixels=max_pixels), digest
    except UndecodableImageError:
        return None, digest


def unreadable_fields(why: str) -> dict[str, Any]:
    """The fields of an output that is not there or no image: flagged without statistics."""
    return _empty_fields() | {"scorer_version": SCORER_VERSION} | _certain("unreadable", why)


def stale_fields(error: StaleSourceError | UndecodableImageError) -> dict[str, Any]:
    """The fields of an output whose source can no longer be read: no verdict."""
    status = {"score_status": "unsupported", "evidence": str(error)}
    return _empty_fields() | {"scorer_version": SCORER_VERSION} | status


def load_calibration(style_path: str) -> tuple[Calibration, str] | None:
    """The calibration of a pack and its id, parsed once per process; None where it has none.

    Raises:
        CalibrationError: The file is there and is no calibration of this version.

    """
    path = Path(style_path) / CALIBRATION_FILE
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _parse_calibration(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _parse_calibration(path: Path, _modified: int, _size: int) -> tuple[Calibration, str]:
    data = path.read_bytes()
    try:
        # Of the bytes: what was judged by a file of an older layout was judged by this calibration.
        return Calibration.from_bytes(data), id_of(data)
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from error


def _refusal(calibration: Calibration, judge: Judge, output_name: str) -> str | None:
    file_format = format_of(output_name)
    if file_format == "jpeg" and judge.subsampling != CALIBRATED_SUBSAMPLING:
        return f"calibrated for jpeg {CALIBRATED_SUBSAMPLING}, not {judge.subsampling}"
    return calibration.scope.refuses(
        style_digest=judge.style_digest,
        precision=judge.precision,
        file_format=file_format,
        quality=judge.quality,
        strength=judge.strength,
    )


def _judged(
    calibration: Calibration, columns: dict[str, float], judge: Judge, key: str
) -> dict[str, Any]:
    judgement = asdict(calibration.judge(columns, key))
    flagged = judgement["p_anomaly"] <= judge.alpha
    if not flagged:  # a reason without a fault would mislead
        judgement |= {"reason": None, "reason_probability": None}
    return judgement | {"score_status": "scored", "flagged": flagged}


def _certain(reason: str, evidence: str) -> dict[str, Any]:
    return {
        "score_status": "nonfinite" if reason == "nonfinite" else "unsupported",
        "flagged": True,
        "reason": reason,
        "reason_probability": 1.0,
        "evidence": evidence,
    }


def _print(pixels: Tensor) -> str:
    return f"{fingerprint(pixels):016x}"


def _empty_fields() -> dict[str, Any]:
    prints = ("source_print", "output_print")
    scores = (*JUDGEMENT_FIELDS, *COLUMN_NAMES, *BACKBONE_COLUMNS)
    names = ("calibration_id", "score_status", *prints, *scores)
    return dict.fromkeys(names) | {"flagged": False}
