"""An image that kills the process that works on it, as a segmentation fault in a codec does."""

import os
import signal
from typing import Any

from pipelines import collection, stylizing
from pipelines.first_attempts import Companion
from pipelines.shards import Shard, ShardCount

POISON = frozenset({"photo03.jpg"})

_real_read_photo = stylizing._read_photo
_real_read_row = collection._read_row


def stylize_poisoned(
    shard: Shard, job: stylizing.StylizeJob, companion: Companion | None = None
) -> ShardCount:
    stylizing._read_photo = _kill_or_read_photo
    try:
        return stylizing.stylize_shard(shard, job, companion)
    finally:
        stylizing._read_photo = _real_read_photo


def ingest_poisoned(shard: Shard, job: collection.IngestJob) -> ShardCount:
    collection._read_row = _kill_or_read_row
    try:
        return collection.ingest_shard(shard, job)
    finally:
        collection._read_row = _real_read_row


def _kill_or_read_photo(photo: stylizing.Photo, bench: Any) -> Any:  # noqa: ANN401
    _kill_by(photo.source)
    return _real_read_photo(photo, bench)


def _kill_or_read_row(photos: Any, file: Any, max_pixels: int) -> dict[str, Any]:  # noqa: ANN401
    _kill_by(file.source)
    return _real_read_row(photos, file, max_pixels)


def _kill_by(source: str) -> None:
    if source in POISON:
        os.kill(os.getpid(), signal.SIGKILL)
