"""Groups of photos as the user sets them: a table of `source` and `group`, CSV or Parquet.

A group is joined to a row when the catalog is written, never in a shard: a file that changed asks
for no shard to be done again.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from pipelines.errors import GroupsFileError
from pipelines.storage import open_root, read_bytes

_COLUMNS = ("source", "group")
_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The group of each source of a file, and which file it was."""

    file: str
    sha256: str
    of: Mapping[str, str]


def default_group(source: str) -> str:
    """The parent folder, "." on top."""
    return str(PurePosixPath(source).parent)


def read_groups(file: str) -> Groups:
    """Read and check a file of groups.

    Raises:
        GroupsFileError: No such file, other columns, an empty cell, or a source in two groups.

    """
    path = open_root(file)
    try:
        data = read_bytes(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise GroupsFileError(f"There is no file of groups {path}.") from error
    rows = _parquet_rows(path, data) if data.startswith(_PARQUET) else _csv_rows(path, data)
    return Groups(file=str(path), sha256=hashlib.sha256(data).hexdigest(), of=_checked(path, rows))


def _parquet_rows(path: UPath, data: bytes) -> list[tuple[str, str]]:
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise GroupsFileError(f"{path} is a damaged Parquet file: {error}.") from error
    _check_columns(path, table.column_names)
    columns = [[_text(value) for value in table[name].to_pylist()] for name in _COLUMNS]
    return list(zip(*columns, strict=True))


def _csv_rows(path: UPath, data: bytes) -> list[tuple[str, str]]:
    try:
        # utf-8-sig: spreadsheets put a mark in front, which would be part of the first name.
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        reader = csv.reader(text, strict=True)
        names = next(reader, [])
        _check_columns(path, names)
        rows = [dict(zip(names, row, strict=True)) for row in reader if row]
    except UnicodeDecodeError as error:
        raise GroupsFileError(f"{path} is neither Parquet nor text in UTF-8.") from error
    except (csv.Error, ValueError) as error:
        raise GroupsFileError(f"{path} is no CSV of source and group: {error}.") from error
    return [(row["source"], row["group"]) for row in rows]


def _check_columns(path: UPath, names: Iterable[str]) -> None:
    found = list(names)
    if sorted(found) != sorted(_COLUMNS):
        listed = ", ".join(map(repr, found)) or "none"
        raise GroupsFileError(f"{path} must have the columns source and group, but has {listed}.")


def _checked(path: UPath, rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for number, (source, group) in enumerate(rows, start=1):
        if not source or not group:
            raise GroupsFileError(f"{path}: row {number} has no {'group' if source else 'source'}.")
        if groups.setdefault(source, group) != group:
            raise GroupsFileError(
                f"{path}: {source!r} is in two groups, {groups[source]!r} and {group!r}."
            )
    return groups


def _text(value: object) -> str:
    return "" if value is None else str(value)
