"""Tables set aside on the local disk: what is read once, and needed again before the end."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Spill:
    """Rows of one schema in a file without a name, in the order in which they came; to be closed."""

    def __init__(self, schema: pa.Schema) -> None:
        self.num_rows = self._num_batches = 0
        self._schema = schema
        self._file = tempfile.TemporaryFile(prefix="ganst-")  # noqa: SIM115 closed on exit
        self._writer = pa.ipc.new_stream(self._file, schema)
        self.add(schema.empty_table())  # what has no batch has no schema either

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The rows are gone."""
        self._file.close()

    def add(self, rows: pa.Table) -> None:
        """Behind those that are there."""
        (batch,) = rows.cast(self._schema).combine_chunks().to_batches() or [
            pa.RecordBatch.from_pylist([], self._schema)
        ]
        self._writer.write_batch(batch)
        self.num_rows += rows.num_rows
        self._num_batches += 1

    def __iter__(self) -> Iterator[pa.Table]:
        """The tables that were added and have rows; only one reader at a time."""
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for _ in range(self._num_batches):
                batch = reader.read_next_batch()
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])

    def take(self, places: Sequence[int] | np.ndarray) -> pa.Table:
        """The rows with these numbers, in this order."""
        wanted = np.asarray(places, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        found, start = [self._schema.empty_table()], 0
        for table in self:
            first, last = np.searchsorted(wanted[order], [start, start + table.num_rows])
            found.append(table.take(pa.array(wanted[order[first:last]] - start)))
            start += table.num_rows
        return pa.concat_tables(found).take(pa.array(np.argsort(order)))
