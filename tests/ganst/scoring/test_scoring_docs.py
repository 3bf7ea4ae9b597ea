"""docs/scoring.md says what the code has: every column with its words, every reason, every limit."""

from pathlib import Path

from ganst.scoring.canonical import MAX_ASPECT, MIN_SIDE
from ganst.scoring.columns import COLUMNS, SCORER_VERSION
from ganst.scoring.faults import FAULTS
from ganst.scoring.fitting import MIN_PHOTOS
from ganst.scoring.heatmap import MIN_PAIRS
from ganst.scoring.run_alarm import MIN_UNITS

_TEXT = (Path(__file__).parents[3] / "docs" / "scoring.md").read_text(encoding="utf-8")
_BAD = {"high_bad": "high", "low_bad": "low", "two_sided": "both"}


def column_rows() -> list[str]:
    """The rows of the document's tables, in the order of the columns."""
    return [
        f"| `{c.name}` | {c.low} | {c.high} | {_BAD[c.direction]} | {c.unit.replace('|', chr(92) + '|')} |"
        for c in COLUMNS
    ]


def test_the_tables_have_a_row_for_every_column_and_no_other():
    written = [
        line for line in _TEXT.splitlines() if line.startswith("| `") and line.count(" | ") == 4
    ]
    expected = column_rows()
    assert sorted(set(expected) - set(written)) == []
    assert sorted(set(written) - set(expected)) == []
    assert len(written) == len(expected)


def test_every_reason_that_is_taught_is_named():
    assert [name for name in FAULTS if f"`{name}`" not in _TEXT] == []


def test_the_limits_are_those_of_the_code():
    for fact in (
        f"scorer version {SCORER_VERSION}",
        f"under {MIN_SIDE} px",
        f"{MAX_ASPECT:g} to 1",
        f"at least {MIN_PHOTOS} photos",
        f"at least {MIN_PAIRS} outputs",
        f"at least {MIN_UNITS} groups",
    ):
        assert fact in _TEXT
