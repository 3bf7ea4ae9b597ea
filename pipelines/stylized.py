"""Rows of the stylize stage: reading them, and the few that stand only until the next call."""

from typing import Any

import pyarrow as pa

from pipelines.parquet import drop_rows, read_parts
from pipelines.runs import RunFolder
from pipelines.schema import STYLIZED
from pipelines.shards import distinct_rows

STAGE = "stylize"
CHANGED = "The file changed since ingest: ingest it again."
REMOVED = "The file was removed since ingest: ingest again."
DENIED = "The file may not be read any more (permission denied)."
# Not a verdict on the image: the next call looks again.
_STALE = frozenset({CHANGED, REMOVED, DENIED})


def read_stylized(folder: RunFolder) -> pa.Table:
    """All committed rows, one per (source, attempt_id), in the columns of STYLIZED."""
    return distinct_rows(read_parts(folder.stage(STAGE), STYLIZED))


def stale_sources(folder: RunFolder) -> frozenset[tuple[str, str]]:
    """(source, sha256) of the sources whose bytes were not those of the catalog."""
    rows: list[dict[str, Any]] = read_parts(folder.stage(STAGE), STYLIZED).to_pylist()
    return frozenset((r["source"], r["source_sha256"]) for r in rows if r["error"] in _STALE)


def stale_notes(folder: RunFolder) -> tuple[str, ...]:
    """A sentence, without its full stop, where photos were not those that were ingested."""
    stale = sorted(source for source, _ in stale_sources(folder))
    if not stale:
        return ()
    return (
        f"{len(stale)} of the photos changed, went or were denied since ingest, e.g. {stale[0]}:"
        " the same command ingests them again",
    )


def forget_stale(folder: RunFolder) -> None:
    """Take stale rows out of their parts, so that their sources are work to do again."""
    drop_rows(folder.stage(STAGE), STYLIZED, lambda row: row["error"] in _STALE)
