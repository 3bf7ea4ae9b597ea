"""A shard of photos to outputs, in a worker: read ahead, stylize, write behind; first the images, last the part."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
from torch import Tensor
from upath import UPath

from ganst.batches import LARGEST_BATCH, batch_size, plan_batches
from ganst.threads import one_thread
from pipelines.breadcrumbs import KILLED, find_deaths, find_killers, leave_trail
from pipelines.delivery import Delivery, encode_output
from pipelines.devices import own_device
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.first_attempts import Companion, Photo, Row
from pipelines.images import DecodedImage, decode
from pipelines.overlap import one_by_one, overlap
from pipelines.parquet import commit_table
from pipelines.run_folder import RunFolder
from pipelines.runs import FIRST_CHECKPOINT
from pipelines.schema import STYLIZED
from pipelines.shards import Shard, ShardCount
from pipelines.storage import open_root, place_bytes, read_bytes, resolve_inside, settle
from pipelines.style_job import StyleJob
from pipelines.styles import open_stylizer
from pipelines.stylized import CHANGED, DENIED, REMOVED, STAGE, made_row, rejected_row

_REJECTS = (UndecodableImageError, StaleSourceError)
# Larger ones are not read ahead or written behind: three at a time would be too much memory.
_LARGE_PIXELS = 12_000_000

Rejection = str  # the sentence of the row
Batch = tuple[Photo, ...]
# One image with the pixels of its output, and those of the photo. A list, from which the last step takes
# it: what an image holds is gone as soon as that lets go of it, which counts at 100 MP.
Made = list[tuple[DecodedImage, Tensor | None]]
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class StylizeJob(StyleJob):
    """What a worker needs to know besides the photos of its shard."""

    max_pixels: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class _Bench:
    """A shard at work: what its steps share."""

    job: StylizeJob
    photos: UPath
    folder: RunFolder
    part: UPath  # that will commit it
    companion: Companion | None


def stylize_shard(
    shard: Shard[Photo], job: StylizeJob, companion: Companion | None = None
) -> ShardCount:
    """Stylize every photo of the shard, then commit their rows, then those of the companion."""
    folder = job.folder
    parts = folder.stage(STAGE)
    bench = _Bench(job, open_root(job.photos), folder, parts / shard.part, companion)
    killers = find_killers(parts, shard.name, job.call)
    rows = [rejected_row(photo, job, KILLED) for photo in shard.items if photo.source in killers]
    photos = [photo for photo in shard.items if photo.source not in killers]
    has_deaths = bool(find_deaths(parts, shard.name, job.call))
    with one_thread(), leave_trail(parts, shard.name, job.call) as trail:
        try:
            written = list(_work_through(photos, bench, trail, alone=has_deaths))
        except _OvertakenError:
            return ShardCount(0)
    rows += [row for row, _ in written]
    rows.sort(key=lambda row: (row["source"], row["attempt_id"]))
    settle({folder.images(row["output"]).parent for row in rows if row["output"]})
    commit_table(bench.part, pa.Table.from_pylist(rows, schema=STYLIZED))
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


def plan_of(photos: Sequence[Photo], *, together: bool) -> list[Batch]:
    """What is worked on at a time: on a GPU photos with as many pixels, which mostly have one shape."""
    if not together:
        return [(photo,) for photo in photos]
    sizes = [photo.num_pixels for photo in photos]
    batches = plan_batches(sizes, lambda pixels: batch_size((pixels,)))
    return [tuple(photos[place] for place in places) for places in batches]


def _work_through(
    photos: Sequence[Photo], bench: _Bench, trail: Callable[..., None], *, alone: bool
) -> Iterator[tuple[Row, Row | None]]:
    """The rows of the photos; `alone`: one photo at a time, to find out who kills the process."""

    def step(*at: Batch) -> None:
        trail(*(photo.source for batch in at for photo in batch))

    on_gpu = own_device().type == "cuda"
    batches = plan_of(photos, together=on_gpu and not alone)
    with ThreadPoolExecutor(_num_threads() if on_gpu else 1) as pool:
        steps = (
            partial(_each, pool, lambda photo: _read_photo(photo, bench)),
            lambda _batch, images: _make_outputs(images, bench),
            partial(_each, pool, lambda photo, made: _write_output(photo, made, bench)),
        )
        if alone:
            written = one_by_one(batches, *steps, on_step=step)
        else:
            written = overlap(batches, *steps, is_large=_is_large, on_step=step)
        for rows in written:
            yield from rows


def _num_threads() -> int:
    """Photos that are decoded or encoded at a time beside a GPU, which is faster than one core feeds it."""
    return min(os.cpu_count() or 1, LARGEST_BATCH)


def _each(pool: Executor, work: Callable[..., R], *columns: Sequence[object]) -> list[R]:
    """`work` on every item of a batch; a single one stays in this thread."""
    if len(columns[0]) == 1:
        return [work(*(column[0] for column in columns))]
    return list(pool.map(work, *columns))


def _is_large(batch: Batch) -> bool:
    return any(photo.num_pixels > _LARGE_PIXELS for photo in batch)


class _OvertakenError(Exception):
    """Another driver committed the shard. Its outputs may be corrected by now: leave them alone."""


def _read_photo(photo: Photo, bench: _Bench) -> DecodedImage | Rejection:
    job = bench.job
    try:
        return read_source(
            bench.photos, photo.source, photo.source_sha256, job.max_pixels, job.max_side
        )
    except _REJECTS as error:
        return str(error)


def _make_outputs(
    images: Sequence[DecodedImage | Rejection], bench: _Bench
) -> list[Made | Rejection]:
    """The images with the pixels of their outputs, and those of the photos if somebody wants them."""
    if bench.part.exists():
        raise _OvertakenError
    job, keeps_source = bench.job, bench.companion is not None
    stylizer = open_stylizer(
        job.style_path,
        job.style_digest,
        FIRST_CHECKPOINT,
        job.precision,
        job.strength,
        job.memory_mb,
    )
    styled = iter(
        stylizer.stylize([image.pixels for image in images if not isinstance(image, Rejection)])
    )
    return [
        image
        if isinstance(image, Rejection)
        else [(replace(image, pixels=next(styled)), image.pixels if keeps_source else None)]
        for image in images
    ]


def _write_output(photo: Photo, made: Made | Rejection, bench: _Bench) -> tuple[Row, Row | None]:
    """The row of the image, and the companion's."""
    job, companion = bench.job, bench.companion
    if isinstance(made, Rejection):
        return rejected_row(photo, job, made), None
    image, source = made.pop()
    try:
        data = encode_output(image.pixels, image, photo.output, job.delivery)
    except UnstylizableImageError as error:
        return rejected_row(photo, job, str(error)), None
    if bench.part.exists():
        raise _OvertakenError
    place_bytes(bench.folder.images(photo.output), data)
    sha256 = hashlib.sha256(data).hexdigest()
    height, width = image.pixels.shape[1:]
    del image  # the companion looks at the file
    row = made_row(photo, job) | {
        "output": photo.output,
        "output_sha256": sha256,
        "width": width,
        "height": height,
        "status": "ok",
    }
    if companion is None or source is None:
        return row, None
    return row, companion.make_row(photo, source, data, sha256)
