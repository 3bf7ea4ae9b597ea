"""Rows of the stylize stage: reading them, and the few that stand only until the next call."""

from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.parquet import columns_of, drop_rows, read_parts
from pipelines.runs import FIRST_CHECKPOINT, RunFolder
from pipelines.schema import STYLIZED
from pipelines.shards import distinct_rows
from pipelines.style_job import StyleJob

STAGE = "stylize"
CHANGED = "The file changed since ingest: ingest it again."
REMOVED = "The file was removed since ingest: ingest again."
DENIED = "The file may not be read any more (permission denied)."
# Not a verdict on the image: the next call looks again.
_STALE = pa.array([CHANGED, REMOVED, DENIED])
_PHOTO = ("source", "source_sha256")


class Planned(Protocol):
    """A photo or a clip whose first output is to be made."""

    @property
    def attempt_id(self) -> str:
        """Of the first attempt."""
        ...

    @property
    def source(self) -> str:
        """Its path under the folder of photos."""
        ...

    @property
    def source_sha256(self) -> str:
        """Of its bytes."""
        ...


def made_row(planned: Planned, job: StyleJob) -> dict[str, Any]:
    """A row of STYLIZED that says what was worked on and with what; null in what came of it."""
    return dict.fromkeys(STYLIZED.names) | {
        "attempt_id": planned.attempt_id,
        "source": planned.source,
        "source_sha256": planned.source_sha256,
        "checkpoint": FIRST_CHECKPOINT,
        "precision": job.precision,
        "seed": job.seed,
    }


def rejected_row(planned: Planned, job: StyleJob, error: str) -> dict[str, Any]:
    """The row of one that has no output; `error` is a sentence."""
    return made_row(planned, job) | {"status": "rejected", "error": error}


def read_stylized(folder: RunFolder, *names: str) -> pa.Table:
    """All committed rows, one per (source, attempt_id): the named columns of STYLIZED, or all.

    Named are the key and `status` at least.
    """
    wanted = columns_of(STYLIZED, *names) if names else STYLIZED
    return distinct_rows(read_parts(folder.stage(STAGE), wanted))


def stale_sources(folder: RunFolder) -> pa.Table:
    """`source` and `source_sha256` of the sources whose bytes were not those of the catalog."""
    wanted = columns_of(STYLIZED, *_PHOTO, "error")
    rows = read_parts(folder.stage(STAGE), wanted)
    return rows.filter(_is_stale(rows)).select(list(_PHOTO))


def stale_notes(stale: pa.Table) -> tuple[str, ...]:
    """A sentence, without its full stop, where photos were not those that were ingested."""
    sources = sorted({*zip(*(stale[name].to_pylist() for name in _PHOTO), strict=True)})
    if not sources:
        return ()
    return (
        f"{len(sources)} of the photos changed, went or were denied since ingest,"
        f" e.g. {sources[0][0]}: the same command ingests them again",
    )


def forget_stale(folder: RunFolder) -> None:
    """Take stale rows out of their parts, so that their sources are work to do again."""
    if stale_sources(folder).num_rows:
        drop_rows(folder.stage(STAGE), STYLIZED, _is_stale)


def _is_stale(rows: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(rows["error"], value_set=_STALE)
