"""Parquet parts: written whole, read by an explicit schema, the same bytes for the same rows."""

import ctypes
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from pipelines.errors import SchemaMismatchError
from pipelines.storage import commit_bytes, commit_file, read_bytes

_TOGETHER = 64  # parts that become one piece of a table
_COMPRESSION = "zstd"
_VERSION = "2.6"


def commit_table(path: UPath, table: pa.Table) -> None:
    """Write the table in one atomic step. The rename of the file is the commit of its rows."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=_COMPRESSION, version=_VERSION)
    commit_bytes(path, buffer.getvalue())


def commit_tables(path: UPath, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """The same of tables that follow one another, each a row group: one at a time is in memory."""

    def write(made: Path) -> None:
        following = iter(tables)
        with (
            made.open("xb") as file,
            pq.ParquetWriter(file, schema, compression=_COMPRESSION, version=_VERSION) as writer,
        ):
            writer.write_table(next(following, schema.empty_table()))
            for table in following:
                writer.write_table(table)

    commit_file(path, write)


def read_table(path: UPath, schema: pa.Schema) -> pa.Table:
    """One file in the columns and order of `schema`; columns that it has besides are not read.

    A column that the file lacks is null: an older version wrote it. Another type is an error.
    """
    with pq.ParquetFile(io.BytesIO(read_bytes(path))) as file:
        names = [name for name in schema.names if name in file.schema_arrow.names]
        table = file.read(columns=names, use_threads=False)
    return conform(table, schema, path)


def conform(table: pa.Table, schema: pa.Schema, path: UPath) -> pa.Table:
    """Rows of the file at `path` in the columns and order of `schema`, as `read_table` gives them.

    Raises:
        SchemaMismatchError: A column is of another type.

    """
    return pa.table([_column(table, field, path) for field in schema], schema=schema)


def read_parts(folder: UPath, schema: pa.Schema) -> pa.Table:
    """All committed parts below `folder`, by name; no rows where there are none.

    Names that begin with a dot are not commits: temporary files, breadcrumbs.
    """
    return read_tables(list_parts(folder), schema)


def read_tables(paths: Iterable[UPath], schema: pa.Schema) -> pa.Table:
    """The rows of these files, in their order."""
    tables, found = iter(read_table(path, schema) for path in paths), [schema.empty_table()]
    # A column of a part takes 64 bytes at least, and as much again for its name: one of many takes its own.
    while some := list(islice(tables, _TOGETHER)):
        found.append(pa.concat_tables(some).combine_chunks())
    return pa.concat_tables(found)


def columns_of(schema: pa.Schema, *names: str) -> pa.Schema:
    """A schema of some of the columns: to read no more than these."""
    return pa.schema([schema.field(name) for name in names], metadata=schema.metadata)


def list_parts(folder: UPath) -> list[UPath]:
    """The committed parts of a stage, sorted by name."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.name.endswith(".parquet"))
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda p: p.name)


def drop_rows(
    folder: UPath, schema: pa.Schema, is_dropped: Callable[[pa.Table], pa.ChunkedArray]
) -> None:
    """Take rows out of the committed parts; a part that has none left goes."""
    for path in list_parts(folder):
        table = read_table(path, schema)
        lasting = table.filter(pc.invert(pc.fill_null(is_dropped(table), False)))
        if lasting.num_rows == 0:
            path.unlink(missing_ok=True)
        elif lasting.num_rows < table.num_rows:
            commit_table(path, lasting)


def give_back() -> None:
    """Return to the system what is kept of the memory that tables took which are gone."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def _column(table: pa.Table, field: pa.Field, path: UPath) -> pa.ChunkedArray | pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if column.type != field.type:
        raise SchemaMismatchError(
            f"{path}: column {field.name!r} is {column.type}, expected {field.type}."
        )
    return column
