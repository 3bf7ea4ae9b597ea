"""The score columns; `ganst.scoring.measuring` fills a row of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from ganst.scoring.column_table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

# Part of an attempt's identity: raise it whenever a column's value or the detector changes.
SCORER_VERSION = "6"

Family = Literal["content", "passthrough", "style", "artifact", "color", "source"]
Direction = Literal["high_bad", "low_bad", "two_sided"]
_DIRECTIONS: dict[str, Direction] = {"high": "high_bad", "low": "low_bad", "both": "two_sided"}


@dataclass(frozen=True, slots=True)
class Column:
    """One score column; `low` and `high` are what a value below or above the expected one means.

    `floor`: the smallest difference that matters, in the column's unit.
    """

    name: str
    family: Family
    direction: Direction
    floor: float
    unit: str
    low: str
    high: str


def _parse(table: str) -> Iterator[Column]:
    family = ""
    for line in table.strip().splitlines():
        if line.startswith("["):
            family = line.strip("[]")
            assert family in get_args(Family), family
            continue
        name, bad, floor, unit, low, high = (part.strip() for part in line.split(";"))
        yield Column(name, cast("Family", family), _DIRECTIONS[bad], float(floor), unit, low, high)


COLUMNS: tuple[Column, ...] = tuple(_parse(TABLE))
COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
