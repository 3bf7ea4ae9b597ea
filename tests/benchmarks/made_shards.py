"""Shards that are committed at once with made-up rows: what is left is the work of the driver."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ganst.scoring.columns import COLUMN_NAMES
from pipelines.groups import default_group
from pipelines.parquet import commit_table
from pipelines.schema import CATALOG, STYLIZED, attempts_schema
from pipelines.shards import ShardCount
from pipelines.storage import open_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from pipelines.collection import IngestJob
    from pipelines.first_attempts import Photo
    from pipelines.listing import SeenFile
    from pipelines.run_folder import RunFolder
    from pipelines.shards import Shard
    from pipelines.stylizing import StylizeJob

_ALPHA = 0.05


def ingest_made_up(shard: Shard[SeenFile], job: IngestJob) -> ShardCount:
    """The part of a shard of ingest; no file is opened."""
    rows = [
        dict.fromkeys(CATALOG.names)
        | {"source": file.source, "bytes": file.num_bytes, "modified": file.modified}
        | {"sha256": _digest(file.source), "width": 16, "height": 12, "mode": "RGB"}
        | {"format": "JPEG", "status": "ok", "group": default_group(file.source)}
        for file in shard.items
    ]
    _commit(open_root(job.parts) / shard.part, rows, CATALOG)
    return ShardCount(len(rows))


class MadeUpScores:
    """In place of the scorer: that there are scores at all."""

    def make_row(self, photo: Photo, source: Tensor, data: bytes, sha256: str) -> None:
        """None are measured."""

    def commit(self, folder: RunFolder, rows: Sequence[dict[str, Any]]) -> None:
        """They are committed with the shard."""


def stylize_made_up(
    shard: Shard[Photo], job: StylizeJob, companion: MadeUpScores | None = None
) -> ShardCount:
    """The part of a shard of stylize, its photos as outputs; of a scored run that of score, too."""
    folder = job.folder
    for photo in shard.items:
        output = Path(str(folder.images(photo.output)))
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)
        os.link(Path(job.photos) / photo.source, output)
    if companion:
        scores = [_score_row(photo) for photo in shard.items]
        _commit(folder.attempts / shard.part, scores, attempts_schema())
    rows = [
        dict.fromkeys(STYLIZED.names)
        | _identity(photo)
        | {"width": 16, "height": 12, "checkpoint": "final", "precision": "fp32", "seed": 0}
        | {"status": "ok"}
        for photo in shard.items
    ]
    _commit(folder.stage("stylize") / shard.part, rows, STYLIZED)
    return ShardCount(len(rows))


def _score_row(photo: Photo) -> dict[str, Any]:
    """As usual outputs have it: one in twenty is flagged."""
    draws = random.Random(photo.source)
    p = {name: draws.random() for name in attempts_schema().names if name.startswith("p_")}
    is_flagged = p["p_anomaly"] <= _ALPHA
    reason = {"reason": "blur", "reason_probability": 0.9, "evidence": "less sharp -3.2"}
    return (
        dict.fromkeys(attempts_schema().names)
        | {name: draws.gauss(0, 1) for name in COLUMN_NAMES}
        | p
        | _identity(photo)
        | {"attempt_no": 1, "group": photo.group, "params": "{}", "style": "vangogh"}
        | {"style_digest": _digest("style"), "checkpoint": "final", "precision": "fp32"}
        | {"seed": 0, "scorer_version": "5", "calibration_id": _digest("calibration")}
        | {"score_status": "scored", "anomaly": draws.gauss(0, 1), "flagged": is_flagged}
        | {f"{name}_print": f"{draws.getrandbits(64):016x}" for name in ("source", "output")}
        | {"decision": "first"}
        | (reason if is_flagged else {})
    )


def _identity(photo: Photo) -> dict[str, Any]:
    names = ("source", "source_sha256", "attempt_id", "output")
    return {name: getattr(photo, name) for name in names} | {"output_sha256": _digest(photo.output)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _commit(path: Any, rows: Sequence[dict[str, Any]], columns: pa.Schema) -> None:  # noqa: ANN401
    commit_table(path, pa.Table.from_pylist(list(rows), schema=columns))
