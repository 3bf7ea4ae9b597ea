"""Rows of a folder of photos: one per file seen, every image decoded once, committed by shards.

A file whose path, size and stamp are those of a known row is not read again.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from pipelines.breadcrumbs import KILLED, find_killers, leave_trail, new_call
from pipelines.cluster import count_workers
from pipelines.config import CatalogConfig, ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.groups import default_group
from pipelines.images import decode
from pipelines.listing import SeenFile, as_table, list_one, see_files
from pipelines.parquet import commit_table, give_back, read_parts, read_tables
from pipelines.progress import OnProgress, StageSummary
from pipelines.schema import CATALOG
from pipelines.shards import (
    Items,
    Plan,
    Shard,
    ShardCount,
    distinct_rows,
    joined,
    plan_rows,
    run_shards,
    summarize,
    take_rows,
)
from pipelines.storage import open_root, read_bytes, resolve_inside, sweep_temporaries
from pipelines.video.digest import digest_of
from pipelines.video.ingest import clip_facts
from pipelines.video.signature import may_be_clip

STAGE = "ingest"
_KEY = ("source", "bytes", "modified")
_FILE = [*_KEY, "error"]  # the columns of SEEN by the names of CATALOG

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A folder of photos, and where its rows are committed.

    `borrowed` are rows known from elsewhere, as CATALOG: those of `parts` go before them. `only`:
    one file.
    """

    photos: UPath
    parts: UPath
    config: CatalogConfig
    borrowed: pa.Table = field(default_factory=CATALOG.empty_table)
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
) -> tuple[pa.Table, pa.ChunkedArray, StageSummary]:
    """Read what is not known yet.

    Returns:
        Rows as CATALOG, sorted by source; all paths seen; the stage's summary. A file of a failed
        shard has a path and no row. Groups are the parent folders.

    Raises:
        EmptyFolderError: There is nothing to catalog.

    """
    photos, only = collection.photos, collection.only
    files = as_table(list_one(photos, only)) if only else see_files(photos)
    known = pa.concat_tables([_committed(collection.parts), collection.borrowed])
    plan = plan_rows(
        STAGE,
        Items(files.filter(pc.is_null(files["error"])).rename_columns(_FILE), _to_file, _KEY),
        committed=known,
        shard_size=collection.config.shard_size,
        workers=count_workers(compute),
    )
    if plan.shards:
        sweep_temporaries(collection.parts)
    give_back()
    failed = run_shards(plan, compute, ingest_shard, _job(collection), on_progress=on_progress)
    rows = _rows_of(files, pa.concat_tables([_fresh(collection.parts, plan), known]))
    give_back()
    return rows, files["source"], _summary(plan, failed, files, rows)


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


def _to_file(row: Row) -> SeenFile:
    return SeenFile(source=row["source"], num_bytes=row["bytes"], modified=row["modified"])


def file_keys(rows: pa.Table) -> pa.ChunkedArray:
    """Path, size and stamp of the file that a catalog row is of, as one string a row."""
    return joined(rows, _KEY)


def _committed(parts: UPath) -> pa.Table:
    """Rows that need not be made again; a file that could not be read is tried again."""
    rows = distinct_rows(read_parts(parts, CATALOG), _KEY)
    return rows.filter(pc.is_valid(rows["sha256"]))


def _fresh(parts: UPath, plan: Plan[SeenFile]) -> pa.Table:
    paths = (parts / shard.part for shard in plan.shards)
    return read_tables((path for path in paths if path.exists()), CATALOG)


def _rows_of(files: pa.Table, known: pa.Table) -> pa.Table:
    """One row per file, sorted by source: of several that are known, the first."""
    is_read = pc.is_null(files["error"])
    keys = file_keys(files.filter(is_read).rename_columns(_FILE))
    places = pc.drop_null(pc.index_in(keys, value_set=file_keys(known)))
    found = take_rows(known, places)
    unread = files.filter(pc.invert(is_read)).to_pylist()
    if not unread:  # most often: in the order of the files, which are sorted
        return found
    refused = [_rejected(SeenFile(**row), row["error"]) for row in unread]
    return pa.concat_tables([found, pa.Table.from_pylist(refused, schema=CATALOG)]).sort_by(
        "source"
    )


def _summary(
    plan: Plan[SeenFile],
    failed: tuple[str, ...],
    files: pa.Table,
    rows: pa.Table,
) -> StageSummary:
    num_unread = pc.count(files["error"]).as_py()
    rejected = pc.sum(pc.equal(rows["status"], "rejected")).as_py() or 0
    whole = Plan(
        stage=plan.stage,
        shards=(),
        total=files.num_rows,
        skipped=plan.skipped + num_unread,
        started=plan.started,
    )
    return summarize(whole, failed, committed=rows.num_rows, rejected=rejected)
