"""Stylize: the catalog's photos to images/, by shards; first the images, last the Parquet part."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor
from upath import UPath

from pipelines.breadcrumbs import KILLED, find_deaths, find_killers, leave_trail, new_call
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.delivery import Delivery, delivery_of, encode_output
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.first_attempts import Companion, Photo, Row, key_of, plan_photos
from pipelines.images import DecodedImage, decode
from pipelines.overlap import one_by_one, overlap
from pipelines.parquet import commit_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder
from pipelines.schema import STYLIZED
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
from pipelines.stylized import (
    CHANGED,
    DENIED,
    REMOVED,
    STAGE,
    forget_stale,
    read_stylized,
    stale_notes,
)

_REJECTS = (UndecodableImageError, StaleSourceError)
# Larger ones are not read ahead or written behind: three at a time would be too much memory.
_LARGE_PIXELS = 12_000_000

Rejection = str  # the sentence of the row


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
    run: Run,
    compute: ComputeConfig,
    on_progress: OnProgress | None = None,
    companion: Companion | None = None,
) -> StageSummary:
    """Make the first output of every photo of the catalog that has none."""
    forget_stale(run.folder)
    photos = plan_photos(run)
    plan = plan_shards(
        STAGE,
        photos,
        key=key_of,
        committed=set(row_keys(read_stylized(run.folder))),
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    if plan.shards:
        sweep_temporaries(run.folder.root)
    failed = run_shards(
        plan, compute, stylize_shard, make_job(run), companion, on_progress=on_progress
    )
    committed = _status_by_key(run.folder)
    states = [committed[key] for key in map(key_of, photos) if key in committed]
    summary = summarize(plan, failed, committed=len(states), rejected=states.count("rejected"))
    return replace(summary, notes=stale_notes(run.folder))


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


def stylize_shard(
    shard: Shard[Photo], job: StylizeJob, companion: Companion | None = None
) -> ShardCount:
    """Stylize every photo of the shard, then commit their rows, then those of the companion."""
    folder = RunFolder(open_root(job.run))
    parts = folder.stage(STAGE)
    part = parts / shard.part
    killers = find_killers(parts, shard.name, job.call)
    rows = [_rejected(photo, job, KILLED) for photo in shard.items if photo.source in killers]
    photos = [photo for photo in shard.items if photo.source not in killers]
    steps = (
        lambda photo: _read_photo(photo, job),
        lambda _photo, image: _make_output(job, image, part, keeps_source=companion is not None),
        lambda photo, made: _write_output(
            photo, job, made, folder.images(photo.output), part, companion
        ),
    )
    with one_thread(), leave_trail(parts, shard.name, job.call) as trail:

        def step(*at: Photo) -> None:
            trail(*(photo.source for photo in at))

        try:
            if find_deaths(parts, shard.name, job.call):
                written = list(one_by_one(photos, *steps, on_step=step))
            else:
                written = list(overlap(photos, *steps, is_large=_is_large, on_step=step))
        except _OvertakenError:
            return ShardCount(0)
    rows += [row for row, _ in written]
    rows.sort(key=lambda row: (row["source"], row["attempt_id"]))
    commit_table(part, pa.Table.from_pylist(rows, schema=STYLIZED))
    if companion:
        companion.commit(folder, [row for _, row in written if row is not None])
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


class _OvertakenError(Exception):
    """Another driver committed the shard. Its outputs may be corrected by now: leave them alone."""


def _is_large(photo: Photo) -> bool:
    return photo.num_pixels > _LARGE_PIXELS


def _read_photo(photo: Photo, job: StylizeJob) -> DecodedImage | Rejection:
    photos = open_root(job.photos)
    try:
        return read_source(photos, photo.source, photo.source_sha256, job.max_pixels, job.max_side)
    except _REJECTS as error:
        return str(error)


def _make_output(
    job: StylizeJob, image: DecodedImage | Rejection, part: UPath, *, keeps_source: bool
) -> tuple[DecodedImage, Tensor | None] | Rejection:
    """The image with the pixels of its output, and those of the photo if somebody wants them."""
    if part.exists():
        raise _OvertakenError
    if isinstance(image, Rejection):
        return image
    stylizer = open_stylizer(
        job.style_path,
        job.style_digest,
        FIRST_CHECKPOINT,
        job.precision,
        job.strength,
        job.memory_mb,
    )
    (styled,) = stylizer.stylize([image.pixels])
    return replace(image, pixels=styled), image.pixels if keeps_source else None


def _write_output(
    photo: Photo,
    job: StylizeJob,
    made: tuple[DecodedImage, Tensor | None] | Rejection,
    path: UPath,
    part: UPath,
    companion: Companion | None,
) -> tuple[Row, Row | None]:
    """The row of the image, and the companion's."""
    if isinstance(made, Rejection):
        return _rejected(photo, job, made), None
    image, source = made
    try:
        data = encode_output(image.pixels, image, photo.output, job.delivery)
    except UnstylizableImageError as error:
        return _rejected(photo, job, str(error)), None
    if part.exists():
        raise _OvertakenError
    commit_bytes(path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    height, width = image.pixels.shape[1:]
    row = _row(photo, job) | {
        "output": photo.output,
        "output_sha256": sha256,
        "width": width,
        "height": height,
        "status": "ok",
    }
    if companion is None or source is None:
        return row, None
    return row, companion.make_row(photo, source, data, sha256)


def _row(photo: Photo, job: StylizeJob) -> Row:
    return dict.fromkeys(STYLIZED.names) | {
        "attempt_id": photo.attempt_id,
        "source": photo.source,
        "source_sha256": photo.source_sha256,
        "checkpoint": FIRST_CHECKPOINT,
        "precision": job.precision,
        "seed": job.seed,
    }


def _rejected(photo: Photo, job: StylizeJob, error: str) -> Row:
    return _row(photo, job) | {"status": "rejected", "error": error}


def _status_by_key(folder: RunFolder) -> dict[Key, str]:
    table = read_stylized(folder)
    return dict(zip(row_keys(table), table["status"].to_pylist(), strict=True))
