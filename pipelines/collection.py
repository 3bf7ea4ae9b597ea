"""Rows of a folder of photos: one per file seen, every image decoded once, committed by shards.

A file whose path, size and stamp are those of a known row is not read again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from upath import UPath

from pipelines.breadcrumbs import KILLED, find_killers, leave_trail, new_call
from pipelines.cluster import count_workers
from pipelines.config import CatalogConfig, ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.groups import default_group
from pipelines.images import decode
from pipelines.listing import SeenFile, list_files, list_one
from pipelines.parquet import commit_table, read_parts, read_table
from pipelines.progress import OnProgress, StageSummary
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
from pipelines.storage import open_root, read_bytes, resolve_inside, sweep_temporaries
from pipelines.video.digest import digest_of
from pipelines.video.ingest import clip_facts
from pipelines.video.signature import may_be_clip

STAGE = "ingest"
_KEY = ("source", "bytes", "modified")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A folder of photos, and where its rows are committed.

    `borrowed` are rows known from elsewhere: those of `parts` go before them. `only`: one file.
    """

    photos: UPath
    parts: UPath
    config: CatalogConfig
    borrowed: Mapping[Key, Row] = field(default_factory=dict)
    only: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJob:
    """What a worker needs to know besides the files of its shard."""

    photos: str
    parts: str
    max_pixels: int
    call: str


def read_collection(
    collection: Collection, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> tuple[list[Row], list[str], StageSummary]:
    """Read what is not known yet; gives rows by source, all paths seen, and the stage's summary.

    A file of a failed shard has a path and no row. Groups are the parent folders.

    Raises:
        EmptyFolderError: There is nothing to catalog.

    """
    photos, only = collection.photos, collection.only
    files = list_one(photos, only) if only else list_files(photos)
    known = dict(collection.borrowed) | _committed(collection.parts)
    plan = plan_shards(
        STAGE,
        [file for file in files if file.error is None],
        key=_file_key,
        committed=known.keys(),
        shard_size=collection.config.shard_size,
        workers=count_workers(compute),
    )
    if plan.shards:
        sweep_temporaries(collection.parts)
    failed = run_shards(plan, compute, ingest_shard, _job(collection), on_progress=on_progress)
    rows = _rows_of(files, known | _fresh(collection.parts, plan))
    return rows, [file.source for file in files], _summary(plan, failed, files, rows)


def _job(collection: Collection) -> IngestJob:
    return IngestJob(
        photos=str(collection.photos),
        parts=str(collection.parts),
        max_pixels=collection.config.max_pixels,
        call=new_call(),
    )


def ingest_shard(shard: Shard[SeenFile], job: IngestJob) -> ShardCount:
    """Decode every file of the shard, then commit their rows."""
    photos = open_root(job.photos)
    parts = open_root(job.parts)
    killers = find_killers(parts, shard.name, job.call)
    rows: list[Row] = []
    with leave_trail(parts, shard.name, job.call) as step:
        for file in shard.items:
            if file.source in killers:
                rows.append(_killer_row(photos, file))
                continue
            step(file.source)
            rows.append(_read_row(photos, file, job.max_pixels))
    commit_table(parts / shard.part, pa.Table.from_pylist(rows, schema=CATALOG))
    return ShardCount(len(rows), sum(row["status"] == "rejected" for row in rows))


def _read_row(photos: UPath, file: SeenFile, max_pixels: int) -> Row:
    path = resolve_inside(photos, file.source)
    try:
        if may_be_clip(file.source) and (facts := clip_facts(path, max_pixels)):
            return _row(file) | facts
        data = read_bytes(path)
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


def _killer_row(photos: UPath, file: SeenFile) -> Row:
    return _rejected(file, KILLED, digest_of(resolve_inside(photos, file.source)))


def _row(file: SeenFile) -> Row:
    row = dict.fromkeys(CATALOG.names)
    seen = {"source": file.source, "bytes": file.num_bytes, "modified": file.modified}
    return row | seen | {"group": default_group(file.source)}


def _rejected(file: SeenFile, error: str, sha256: str | None = None) -> Row:
    return _row(file) | {"sha256": sha256, "status": "rejected", "error": error}


def _file_key(file: SeenFile) -> Key:
    return (file.source, str(file.num_bytes), file.modified)


def row_key(row: Mapping[str, Any]) -> Key:
    """Path, size and stamp of the file that a catalog row is of."""
    return (row["source"], str(row["bytes"]), row["modified"])


def _committed(parts: UPath) -> dict[Key, Row]:
    """Rows that need not be made again; a file that could not be read is tried again."""
    rows = distinct_rows(read_parts(parts, CATALOG), _KEY).to_pylist()
    return {row_key(row): row for row in rows if row["sha256"] is not None}


def _fresh(parts: UPath, plan: Plan[SeenFile]) -> dict[Key, Row]:
    paths = [parts / shard.part for shard in plan.shards]
    tables = [read_table(path, CATALOG) for path in paths if path.exists()]
    return {row_key(row): row for table in tables for row in table.to_pylist()}


def _rows_of(files: Iterable[SeenFile], rows: Mapping[Key, Row]) -> list[Row]:
    """One row per file, sorted by source; a file of a failed shard has none."""
    unread = {_file_key(file): _rejected(file, file.error) for file in files if file.error}
    have = {**rows, **unread}
    return [have[key] for key in map(_file_key, files) if key in have]


def _summary(
    plan: Plan[SeenFile],
    failed: tuple[str, ...],
    files: list[SeenFile],
    rows: list[Row],
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
