"""What people say of outputs: RUN/reviews, append-only, each verdict on the bytes that were seen.

A verdict is on one attempt and its bytes. A later output of the same photo is not covered by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.intervals import wilson
from pipelines.parquet import read_parts
from pipelines.runs import RunFolder
from pipelines.schema import REVIEWS

Row = Mapping[str, Any]
Key = tuple[str, str, str]  # source, attempt_id, output_sha256
Verdicts = Mapping[Key, Row]  # the last word on each

VERDICTS = ("good", "bad")
REVIEWED_BAD = "reviewed_bad"
_KEY = ("source", "attempt_id", "output_sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSummary:
    """Verdicts on what is delivered now, and what they say of the flags.

    `precision` is the share of reviewed flags that were right, with its 95 % interval; null where
    no flag was reviewed. It holds for all flags only if the reviewed ones were not picked.
    """

    good: int = 0
    bad: int = 0
    flags_reviewed: int = 0
    flags_confirmed: int = 0
    precision: float | None = None
    precision_low: float | None = None
    precision_high: float | None = None
    passed_reviewed: int = 0
    passed_bad: int = 0


def key_of(row: Row) -> Key:
    """What a verdict is bound to, of a review or of an attempt."""
    source, attempt, digest = (row[name] for name in _KEY)
    return source, attempt, digest


def read_verdicts(folder: RunFolder) -> dict[Key, Row]:
    """The verdicts in force."""
    return in_force(read_parts(folder.reviews, REVIEWS).to_pylist())


def in_force(reviews: Iterable[Row]) -> dict[Key, Row]:
    """The last word on each attempt, whatever the order and however often a review is there.

    Of two at the same moment "bad" counts: what one person refuses is not delivered.
    """
    found: dict[Key, Row] = {}
    for row in reviews:
        key = key_of(row)
        if key not in found or _weight(row) > _weight(found[key]):
            found[key] = row
    return found


def list_reviews(folder: RunFolder) -> list[dict[str, Any]]:
    """Every verdict there ever was, oldest first; `in_force`: no later one is on the same output."""
    rows = read_parts(folder.reviews, REVIEWS).to_pylist()
    last = in_force(rows)
    distinct = {tuple(row.values()): row for row in rows}.values()
    return [{**row, "in_force": last[key_of(row)] == row} for row in sorted(distinct, key=_weight)]


def with_verdicts(table: pa.Table, verdicts: Verdicts) -> pa.Table:
    """The table of attempts or of first outputs with the columns `verdict` and `verdict_why`."""
    keys = zip(*(table[name].to_pylist() for name in _KEY), strict=True) if verdicts else ()
    said = [verdicts.get(key) for key in keys] or [None] * table.num_rows
    for name, column in (("verdict", "verdict"), ("verdict_why", "why")):
        values = [(row[column] or None) if row else None for row in said]
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def summarise_reviews(report: pa.Table, tries: pa.Table) -> ReviewSummary:
    """Counts from the report, the precision of the flags from the first attempts.

    `tries` has the columns of `with_verdicts`.
    """
    firsts = tries.filter(pc.equal(tries["decision"], "first"))
    flagged = pc.fill_null(firsts["flagged"], False)
    scored = pc.equal(firsts["score_status"], "scored")
    confirmed, reviewed = _bad_and_all(firsts.filter(flagged))
    missed, passed = _bad_and_all(firsts.filter(pc.and_(pc.invert(flagged), scored)))
    bad, delivered = _bad_and_all(report)
    low, high = wilson(confirmed, reviewed) if reviewed else (None, None)
    return ReviewSummary(
        good=delivered - bad,
        bad=bad,
        flags_reviewed=reviewed,
        flags_confirmed=confirmed,
        precision=_rounded(confirmed / reviewed) if reviewed else None,
        precision_low=_rounded(low),
        precision_high=_rounded(high),
        passed_reviewed=passed,
        passed_bad=missed,
    )


def _bad_and_all(table: pa.Table) -> tuple[int, int]:
    said = table["verdict"].drop_null()
    return pc.sum(pc.equal(said, "bad")).as_py() or 0, len(said)


def _weight(row: Row) -> tuple[Any, ...]:
    return row["time"], row["verdict"] == "bad", row["reviewer"] or "", row["why"] or ""


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
