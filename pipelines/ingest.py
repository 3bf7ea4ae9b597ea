"""Ingest: a folder of photos to catalog.parquet, one row per file seen, every image decoded once.

A file whose path, size and stamp are those of a committed row is not read again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from upath import UPath

from pipelines.breadcrumbs import KILLED, find_killers, leave_trail, new_call
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.images import decode
from pipelines.listing import SeenFile, list_files
from pipelines.naming import assign_outputs
from pipelines.parquet import commit_table, read_parts, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, record
from pipelines.schema import CATALOG
from pipelines.shards import (
    Key,
    Plan,
    Shard,
    ShardCount,
    distinct_rows,
    plan_shards,
    run_shards,
    summarize,
)
from pipelines.storage import open_root, read_bytes, resolve_inside
from pipelines.stylized import stale_sources

STAGE = "ingest"
_KEY = ("source", "bytes", "modified")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJob:
    """What a worker needs to know besides the files of its shard."""

    photos: str
    parts: str
    max_pixels: int
    call: str


def ingest(run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None) -> StageSummary:
    """Bring the run's catalog up to date with the photo folder.

    Raises:
        EmptyFolderError: There is nothing to catalog.

    """
    files = list_files(run.photos)
    parts = run.folder.stage(STAGE)
    known = _known(parts, stale_sources(run.folder))
    job = IngestJob(
        photos=str(run.photos),
        parts=str(parts),
        max_pixels=run.config.max_pixels,
        call=new_call(),
    )
    plan = plan_shards(
        STAGE,
        [file for file in files if file.error is None],
        key=_file_key,
        committed=known.keys(),
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    failed = run_shards(plan, compute, ingest_shard, job, on_progress=on_progress)
    rows = _rows_of(files, known | _fresh(parts, plan))
    # Also after a failed shard: the other photos go on, and the summary says what failed.
    _commit_catalog(run, files, rows)
    return _summary(plan, failed, files, rows)


def ingest_shard(shard: Shard[SeenFile], job: IngestJob) -> ShardCount:
    """Decode every file of the shard, then commit their rows."""
    photos = open_root(job.photos)
    parts = open_root(job.parts)
    killers = find_killers(parts, shard.name, job.call)
    rows: list[dict[str, Any]] = []
    with leave_trail(parts, shard.name, job.call) as step:
        for file in shard.items:
            if file.source in killers:
                rows.append(_killer_row(photos, file))
                continue
            step(file.source)
            rows.append(_read_row(photos, file, job.max_pixels))
    commit_table(parts / shard.part, pa.Table.from_pylist(rows, schema=CATALOG))
    return ShardCount(len(rows), sum(row["status"] == "rejected" for row in rows))


def _read_row(photos: UPath, file: SeenFile, max_pixels: int) -> dict[str, Any]:
    try:
        data = read_bytes(resolve_inside(photos, file.source))
    except PermissionError:
        return _rejected(file, "The file may not be read (permission denied).")
    except FileNotFoundError:
        return _rejected(file, "The file was removed while it was being ingested.")
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        image = decode(data, max_pixels=max_pixels)
    except UndecodableImageError as error:
        return _rejected(file, str(error), sha256)
    height, width = image.pixels.shape[1:]
    return _row(file) | {
        "sha256": sha256,
        "width": width,
        "height": height,
        "mode": image.mode,
        "format": image.format,
        "status": "ok",
        "note": "; ".join(image.notes) or None,
    }


def _killer_row(photos: UPath, file: SeenFile) -> dict[str, Any]:
    data = read_bytes(resolve_inside(photos, file.source))
    return _rejected(file, KILLED, hashlib.sha256(data).hexdigest())


def _row(file: SeenFile) -> dict[str, Any]:
    row = dict.fromkeys(CATALOG.names)
    group = str(PurePosixPath(file.source).parent)
    seen = {"source": file.source, "bytes": file.num_bytes, "modified": file.modified}
    return row | seen | {"group": group}


def _rejected(file: SeenFile, error: str, sha256: str | None = None) -> dict[str, Any]:
    return _row(file) | {"sha256": sha256, "status": "rejected", "error": error}


def _file_key(file: SeenFile) -> Key:
    return (file.source, str(file.num_bytes), file.modified)


def _row_key(row: Mapping[str, Any]) -> Key:
    return (row["source"], str(row["bytes"]), row["modified"])


def _known(parts: UPath, stale: frozenset[tuple[str, str]]) -> dict[Key, dict[str, Any]]:
    """Committed rows that need not be made again.

    A file that could not be read is tried again, and so is one whose bytes were found to be others
    although its size and stamp are the same.
    """
    rows = distinct_rows(read_parts(parts, CATALOG), _KEY).to_pylist()
    return {
        _row_key(row): row
        for row in rows
        if row["sha256"] is not None and (row["source"], row["sha256"]) not in stale
    }


def _fresh(parts: UPath, plan: Plan[SeenFile]) -> dict[Key, dict[str, Any]]:
    paths = [parts / shard.part for shard in plan.shards]
    tables = [read_table(path, CATALOG) for path in paths if path.exists()]
    return {_row_key(row): row for table in tables for row in table.to_pylist()}


def _rows_of(files: Iterable[SeenFile], rows: Mapping[Key, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per file, sorted by source; a file of a failed shard has none."""
    unread = {_file_key(file): _rejected(file, file.error) for file in files if file.error}
    have = {**rows, **unread}
    return [have[key] for key in map(_file_key, files) if key in have]


def _commit_catalog(run: Run, files: list[SeenFile], rows: list[dict[str, Any]]) -> None:
    formats = {row["source"]: row["format"] for row in rows if row["status"] == "ok"}
    outputs = assign_outputs(
        formats,
        run.config.format,
        kept=_earlier_outputs(run),
        sources=[file.source for file in files],
    )
    named = [row | {"output": outputs.get(row["source"])} for row in rows]
    commit_table(run.folder.catalog, pa.Table.from_pylist(named, schema=CATALOG))
    record(run, catalog_digest=_digest(named))


def _earlier_outputs(run: Run) -> dict[str, str]:
    if not run.folder.catalog.exists():
        return {}
    rows = read_table(run.folder.catalog, CATALOG).to_pylist()
    return {row["source"]: row["output"] for row in rows if row["output"] is not None}


def _digest(rows: list[dict[str, Any]]) -> str:
    """Over paths and bytes of all files, not over their stamps."""
    lines = "".join(f"{row['source']}\0{row['sha256']}\n" for row in rows)
    return hashlib.sha256(lines.encode()).hexdigest()


def _summary(
    plan: Plan[SeenFile],
    failed: tuple[str, ...],
    files: list[SeenFile],
    rows: list[dict[str, Any]],
) -> StageSummary:
    num_unread = sum(file.error is not None for file in files)
    rejected = sum(row["status"] == "rejected" for row in rows)
    whole = Plan(
        stage=plan.stage,
        shards=(),
        total=len(files),
        skipped=plan.skipped + num_unread,
        started=plan.started,
    )
    return summarize(whole, failed, committed=len(rows), rejected=rejected)
