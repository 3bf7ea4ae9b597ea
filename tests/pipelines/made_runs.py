"""Finished RUN folders written by hand, with every way in which a photo can end."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from ganst.models.stylepack import StylePack
from pipelines import parquet, schema
from pipelines.config import RunConfig
from pipelines.runs import Run, open_run

OUTCOMES = (
    "ok",
    "unscored",
    "unsupported",
    "flagged",
    "corrected",
    "quarantined",
    "rejected",
    "unstylizable",
    "pending",
)
STATUS_OF = {"unscored": "ok", "unsupported": "ok", "unstylizable": "rejected", "pending": None}
UNSUPPORTED = {"score_status": "unsupported", "evidence": "not scored: 40 px is too short"}
ALPHA = 0.05
WIDTH, HEIGHT = 96, 64


@dataclass(frozen=True, kw_only=True)
class MadePhoto:
    source: str
    outcome: str = "ok"
    reason: str = "passthrough"
    p: float = 0.5
    is_suggested: bool = False  # the refused correction of a quarantined one is kept

    @property
    def sha(self) -> str:
        return hashlib.sha256(photo_bytes(self.source)).hexdigest()

    @property
    def id(self) -> str:
        return self.sha[:32]


def write_run(
    root: Path,
    photos: list[MadePhoto],
    digest_of: Callable[[Run, dict[str, Any]], str] | None = None,
) -> Run:
    """A whole run but for its report; `digest_of` gives attempts other digests of their outputs."""
    run = make_run(root, photos)
    write_pictures(run, photos)
    write_parts(run, "stylize", [[row for photo in photos for row in stylized_rows(photo)]])
    rows = [row for photo in photos for row in attempt_rows(photo)]
    if digest_of:
        for row in rows:
            row["output_sha256"] = digest_of(run, row)
    write_parts(run, "attempts", [rows])
    return run


def make_run(root: Path, photos: list[MadePhoto]) -> Run:
    """A Run over `root`/photos and `root`/run with the catalog written and no part yet."""
    pack = StylePack(
        path=root / "pack", name="vangogh", digest="ab" * 32, card={}, checkpoints=("final",)
    )
    config = RunConfig(
        photos=str(root / "photos"), style="vangogh", out=str(root / "run"), precision="fp32"
    )
    run = open_run(config, pack)
    rows = [catalog_row(photo) for photo in photos]
    parquet.commit_table(run.folder.catalog, as_table(rows, schema.CATALOG))
    return run


def write_parts(run: Run, stage: str, parts: list[list[dict[str, Any]]]) -> None:
    """Commit one part per list of rows; `stage` is "stylize" or "attempts"."""
    columns = schema.STYLIZED if stage == "stylize" else schema.attempts_schema()
    folder = run.folder.stage("stylize") if stage == "stylize" else run.folder.attempts
    for rows in parts:
        name = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:32]
        parquet.commit_table(folder / f"{name}.parquet", as_table(rows, columns))


def as_table(rows: list[dict[str, Any]], columns: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=columns)


def catalog_row(photo: MadePhoto) -> dict[str, Any]:
    is_rejected = photo.outcome == "rejected"
    return {
        "source": photo.source,
        "sha256": photo.sha,
        "width": WIDTH,
        "height": HEIGHT,
        "mode": "RGB",
        "bytes": 1000,
        "modified": "1",
        "format": "JPEG",
        "group": str(Path(photo.source).parent),
        "output": None if is_rejected else photo.source,
        "status": "rejected" if is_rejected else "ok",
        "error": "The file is empty (0 bytes)." if is_rejected else None,
    }


def stylized_rows(photo: MadePhoto) -> list[dict[str, Any]]:
    if photo.outcome in ("rejected", "pending"):
        return []
    is_rejected = photo.outcome == "unstylizable"
    row = {
        "attempt_id": photo.id,
        "source": photo.source,
        "source_sha256": photo.sha,
        "output": None if is_rejected else photo.source,
        "output_sha256": None if is_rejected else photo.sha[::-1],
        "width": WIDTH,
        "height": HEIGHT,
        "checkpoint": "final",
        "precision": "fp32",
        "seed": 0,
        "status": "rejected" if is_rejected else "ok",
        "error": "The output is too wide for WebP." if is_rejected else None,
    }
    return [row]


def attempt_rows(photo: MadePhoto) -> list[dict[str, Any]]:
    """The first attempt and what correction tried, as the score and correct stages write them."""
    if photo.outcome in ("rejected", "pending", "unstylizable", "unscored"):
        return []
    if photo.outcome == "unsupported":
        return [_attempt(photo, 1, None, "first", None) | UNSUPPORTED]
    was_flagged = photo.outcome in ("flagged", "corrected", "quarantined")
    rows = [_attempt(photo, 1, None, "first", photo.p / 50 if was_flagged else photo.p)]
    if photo.outcome in ("corrected", "quarantined"):
        decision = "suggested" if photo.is_suggested else "refused"
        rows.append(_attempt(photo, 2, "rerun_fp32", decision, 0.01))
    if photo.outcome == "corrected":
        rows.append(_attempt(photo, 3, "other_checkpoint", "accepted", 0.4))
    return rows


def _attempt(
    photo: MadePhoto, number: int, strategy: str | None, decision: str, p: float | None
) -> dict[str, Any]:
    flagged = p is not None and p <= ALPHA
    return {
        "attempt_id": f"{number}{photo.id[1:]}",
        "parent_attempt_id": None if number == 1 else f"1{photo.id[1:]}",
        "attempt_no": number,
        "source": photo.source,
        "source_sha256": photo.sha,
        "group": str(Path(photo.source).parent),
        "output": photo.source,
        "output_sha256": photo.sha[::-1],
        "strategy": strategy,
        "params": "{}",
        "style": "vangogh",
        "style_digest": "ab" * 32,
        "checkpoint": "final",
        "precision": "fp32",
        "seed": 0,
        "scorer_version": "1",
        "calibration_id": "c0ffee" * 5,
        "score_status": "scored",
        "p_anomaly": p,
        "anomaly": None if p is None else 100 * (1 - p),
        "p_content": p,
        "p_style": 0.3,
        "p_passthrough": p,
        "p_artifact": 0.8,
        "p_color": 0.21,
        "p_source": 0.5,
        "reason": photo.reason if flagged else None,
        "reason_probability": 0.91 if flagged else None,
        "evidence": "photo detail left in +4.1 σ; hardly changed −3.2 σ" if flagged else None,
        "flagged": flagged,
        "decision": decision,
        "decision_reason": "still flagged" if decision in ("refused", "suggested") else None,
    }


def write_pictures(run: Run, photos: list[MadePhoto]) -> None:
    """Photos and outputs: colour ramps, different for every photo; an output is the photo turned."""
    for photo in photos:
        if photo.outcome in ("rejected", "pending", "unstylizable"):
            continue
        _save(Path(run.config.photos) / photo.source, photo_bytes(photo.source))
        place = "quarantine" if photo.outcome == "quarantined" else "images"
        _save(Path(str(run.folder.root)) / place / photo.source, _turned(photo.source))
        if photo.is_suggested:
            attempt = attempt_rows(photo)[-1]["attempt_id"]
            _save(Path(str(run.folder.refused(attempt, photo.source))), photo_bytes("suggestion"))
        if photo.outcome == "corrected":
            _save(Path(str(run.folder.superseded(photo.source))), photo_bytes(photo.source))


@cache
def photo_bytes(source: str) -> bytes:
    return _as_jpeg(_ramp(source))


@cache
def _turned(source: str) -> bytes:
    return _as_jpeg(_ramp(source).transpose(Image.Transpose.ROTATE_180))


def _ramp(source: str) -> Image.Image:
    index = int(hashlib.sha256(source.encode()).hexdigest()[:4], 16)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [(x * 2 + 40 * index) % 256, (y * 3 + 25 * index) % 256, (x + y + 60 * index) % 256]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def _as_jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
