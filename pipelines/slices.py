"""The files of a run by slices of its sources, so that no table of the whole run has to be held.

Shards are slices of sorted sources, too: the rows of a slice lie in a few parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.interrupts import end_if_asked
from pipelines.parquet import columns_of, conform, give_back, list_parts, read_table, read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upath import UPath

SLICE_ROWS = 4096  # 3 MB of attempts without their scores, of which some copies are made


def slices_by_source(path: UPath, schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """The rows of a file in the columns of `schema`, sorted by source, at most so many at a time.

    A file without rows is one table without rows.
    """
    if not _is_sorted(read_table(path, columns_of(schema, "source"))["source"]):
        rows = read_table(path, schema).sort_by("source")
        yield from (rows.slice(start, size) for start in range(0, rows.num_rows, size))
        return
    with path.open("rb") as file, pq.ParquetFile(file) as found:
        if not found.metadata.num_rows:
            yield schema.empty_table()
        names = [name for name in schema.names if name in found.schema_arrow.names]
        for batch in found.iter_batches(size, columns=names, use_threads=False):
            end_if_asked()
            yield conform(pa.Table.from_batches([batch]), schema, path)
            give_back()


class PartsBySource:
    """The committed parts of a stage, and from which source to which each has rows."""

    def __init__(self, folder: UPath, schema: pa.Schema) -> None:
        """`schema`: the columns to read, the source among them."""
        self._schema = schema
        self._ranges = [(_sources_of(path), path) for path in list_parts(folder)]

    def between(self, sources: pa.ChunkedArray) -> pa.Table:
        """The rows from the first to the last of these sorted sources, in the order of the parts."""
        if not len(sources):
            return self._schema.empty_table()
        first, last = sources[0].as_py(), sources[-1].as_py()
        may_have = (
            path
            for found, path in self._ranges
            if found is None or (found[0] <= last and found[1] >= first)
        )
        rows = read_tables(may_have, self._schema)
        is_wanted = pc.and_(
            pc.greater_equal(rows["source"], first), pc.less_equal(rows["source"], last)
        )
        return rows.filter(is_wanted)


def _sources_of(path: UPath) -> tuple[str, str] | None:
    """First and last source in a part, which its footer tells; None where it does not."""
    end_if_asked()
    with path.open("rb") as file:
        footer = pq.read_metadata(file)
    place = footer.schema.names.index("source")
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    found = [group.column(place).statistics for group in groups]
    if not found or any(one is None or not one.has_min_max for one in found):
        return None
    return min(one.min for one in found), max(one.max for one in found)


def _is_sorted(source: pa.ChunkedArray) -> bool:
    values = source.combine_chunks()
    return (
        len(values) < 2
        or pc.all(pc.less(values.slice(0, len(values) - 1), values.slice(1))).as_py()
    )
