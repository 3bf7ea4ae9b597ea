"""Stylize: the catalog's photos to images/, by shards; first the images, last the Parquet part."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor
from upath import UPath

from pipelines.breadcrumbs import KILLED, find_killers, leave_trail, new_call
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.delivery import Delivery, delivery_of, encode_output
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.images import DecodedImage, decode
from pipelines.parquet import commit_table, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder, first_attempt_id
from pipelines.schema import CATALOG, STYLIZED
from pipelines.shards import (
    Key,
    Shard,
    ShardCount,
    plan_shards,
    row_keys,
    run_shards,
    summarize,
)
from pipelines.storage import (
    commit_bytes,
    open_root,
    read_bytes,
    resolve_inside,
    sweep_temporaries,
)
from pipelines.styles import open_stylizer
from pipelines.stylized import CHANGED, DENIED, REMOVED, STAGE, forget_stale, read_stylized

_REJECTS = (UndecodableImageError, UnstylizableImageError, StaleSourceError)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Photo:
    """One first attempt: this source to that output."""

    source: str
    source_sha256: str
    attempt_id: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StylizeJob:
    """What a worker needs to know besides the photos of its shard."""

    photos: str
    run: str
    style_path: str
    style_digest: str
    precision: str
    strength: float
    max_side: int | None
    max_pixels: int
    memory_mb: int
    delivery: Delivery
    seed: int
    call: str


def stylize(
    run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Make the first output of every photo of the catalog that has none."""
    forget_stale(run.folder)
    photos = plan_photos(run)
    plan = plan_shards(
        STAGE,
        photos,
        key=_key,
        committed=set(row_keys(read_stylized(run.folder))),
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    if plan.shards:
        sweep_temporaries(run.folder.root)
    failed = run_shards(plan, compute, stylize_shard, make_job(run), on_progress=on_progress)
    committed = _status_by_key(run.folder)
    states = [committed[key] for key in map(_key, photos) if key in committed]
    return summarize(plan, failed, committed=len(states), rejected=states.count("rejected"))


def plan_photos(run: Run) -> list[Photo]:
    """The first attempts that the catalog asks for."""
    rows = read_table(run.folder.catalog, CATALOG).to_pylist()
    return [
        Photo(
            source=row["source"],
            source_sha256=row["sha256"],
            attempt_id=first_attempt_id(run, row["sha256"]),
            output=row["output"],
        )
        for row in rows
        if row["status"] == "ok"
    ]


def make_job(run: Run) -> StylizeJob:
    """The part of a run that travels to workers."""
    return StylizeJob(
        photos=str(run.photos),
        run=str(run.folder.root),
        style_path=str(run.style_path),
        style_digest=run.pack.digest,
        precision=run.precision,
        strength=run.config.strength,
        max_side=run.config.max_side,
        max_pixels=run.config.max_pixels,
        memory_mb=run.config.memory_mb,
        delivery=delivery_of(run),
        seed=run.config.seed,
        call=new_call(),
    )


def stylize_shard(shard: Shard[Photo], job: StylizeJob) -> ShardCount:
    """Stylize every photo of the shard, then commit their rows."""
    folder = RunFolder(open_root(job.run))
    parts = folder.stage(STAGE)
    part = parts / shard.part
    killers = find_killers(parts, shard.name, job.call)
    rows: list[dict[str, Any]] = []
    with one_thread(), leave_trail(parts, shard.name, job.call) as step:
        for photo in shard.items:
            # Another driver was faster. Its outputs may be corrected by now: leave them alone.
            if part.exists():
                return ShardCount(0)
            if photo.source in killers:
                rows.append(_rejected(photo, job, KILLED))
                continue
            step(photo.source)
            rows.append(_stylize_photo(photo, job, folder))
    commit_table(part, pa.Table.from_pylist(rows, schema=STYLIZED))
    return ShardCount(len(rows), sum(row["status"] == "rejected" for row in rows))


def read_source(
    photos: UPath, source: str, sha256: str, max_pixels: int, max_side: int | None
) -> DecodedImage:
    """Decode a photo of the catalog, whose bytes must be the ones that were ingested.

    Raises:
        StaleSourceError: The file is gone or holds other bytes.
        UndecodableImageError: It cannot be decoded.

    """
    try:
        data = read_bytes(resolve_inside(photos, source))
    except FileNotFoundError as error:
        raise StaleSourceError(REMOVED) from error
    except PermissionError as error:
        raise StaleSourceError(DENIED) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StaleSourceError(CHANGED)
    return decode(data, max_pixels=max_pixels, max_side=max_side)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: one worker a core, and sums in the same order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stylize_photo(photo: Photo, job: StylizeJob, folder: RunFolder) -> dict[str, Any]:
    try:
        pixels, data = _make_output(photo, job)
    except _REJECTS as error:
        return _rejected(photo, job, str(error))
    commit_bytes(folder.images(photo.output), data)
    height, width = pixels.shape[1:]
    return _row(photo, job) | {
        "output": photo.output,
        "output_sha256": hashlib.sha256(data).hexdigest(),
        "width": width,
        "height": height,
        "status": "ok",
    }


def _make_output(photo: Photo, job: StylizeJob) -> tuple[Tensor, bytes]:
    photos = open_root(job.photos)
    image = read_source(photos, photo.source, photo.source_sha256, job.max_pixels, job.max_side)
    stylizer = open_stylizer(
        job.style_path,
        job.style_digest,
        FIRST_CHECKPOINT,
        job.precision,
        job.strength,
        job.memory_mb,
    )
    pixels = stylizer.stylize([image.pixels])[0]
    # Its pixels are not needed any more: 300 MB of a 100 MP photo.
    image = replace(image, pixels=pixels)
    return pixels, encode_output(pixels, image, photo.output, job.delivery)


def _row(photo: Photo, job: StylizeJob) -> dict[str, Any]:
    return dict.fromkeys(STYLIZED.names) | {
        "attempt_id": photo.attempt_id,
        "source": photo.source,
        "source_sha256": photo.source_sha256,
        "checkpoint": FIRST_CHECKPOINT,
        "precision": job.precision,
        "seed": job.seed,
    }


def _rejected(photo: Photo, job: StylizeJob, error: str) -> dict[str, Any]:
    return _row(photo, job) | {"status": "rejected", "error": error}


def _key(photo: Photo) -> Key:
    return (photo.source, photo.attempt_id)


def _status_by_key(folder: RunFolder) -> dict[Key, str]:
    table = read_stylized(folder)
    return dict(zip(row_keys(table), table["status"].to_pylist(), strict=True))
