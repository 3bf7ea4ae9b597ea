"""Verdicts from the page's file or from a CSV table into RUN/reviews: all of a file, or nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import schema
from pipelines.errors import GanstError
from pipelines.parquet import commit_table, read_parts, read_table
from pipelines.report import current_report
from pipelines.reviews import VERDICTS, key_of
from pipelines.runs import run_key
from pipelines.storage import open_root, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipelines.reviews import Key
    from pipelines.runs import Run

    Row = Mapping[str, Any]
    Lines = Iterator[tuple[int, Row]]  # line number, review

_PAGE_FORMAT = 1
_TAKE = "suggestion"  # in a CSV table: good, said of the suggestion
_BOUND = ("source", "attempt_id", "output_sha256")


class ReviewFileError(GanstError):
    """A file of verdicts that cannot be taken: which line, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many verdicts a file has; `new` are those that the run did not have before."""

    verdicts: int
    new: int


def import_reviews(run: Run, file: str) -> Imported:
    """Commit the verdicts of a file as one part; the same file again adds nothing.

    A CSV table has the columns source and verdict, and why and reviewer if you like; it is about
    what is delivered now, or kept in quarantine. There "suggestion" takes the correction that was
    suggested. What follows from the verdicts is done by `write_report`.

    Raises:
        ReviewFileError: A line that cannot be taken; nothing was written.

    """
    content = read_bytes(open_root(file))
    # Named after the bytes: what a CSV table was about when it first came, it stays about.
    part = run.folder.reviews / f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"
    if part.exists():
        return Imported(verdicts=read_table(part, schema.REVIEWS).num_rows, new=0)
    known = read_parts(run.folder.reviews, schema.REVIEWS).to_pylist()
    try:
        reviews = _parse(run, content)
    except ReviewFileError as error:
        raise ReviewFileError(f"{file}, {error}.") from error
    table = pa.Table.from_pylist(reviews, schema=schema.REVIEWS)
    commit_table(part, table)
    new = sum(row not in known for row in table.to_pylist())
    return Imported(verdicts=table.num_rows, new=new)


def _parse(run: Run, content: bytes) -> list[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _at(1, "it is no text in UTF-8") from error
    lines = _page_lines(run, text) if text.lstrip().startswith("{") else _table_lines(run, text)
    reviews: dict[tuple[str, ...], tuple[int, Row]] = {}
    for number, review in lines:
        who = (*key_of(review), review["reviewer"])
        if who in reviews:
            known = reviews[who][0]
            raise _at(number, f"{review['source']!r} has a verdict on line {known} already")
        if review["verdict"] not in VERDICTS:
            raise _at(number, f"the verdict {review['verdict']!r} is neither good nor bad")
        reviews[who] = (number, review)
    return [review for _, review in reviews.values()]


def _table_lines(run: Run, text: str) -> Lines:
    """The verdicts of a CSV table, on what is delivered now."""
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)  # spreadsheets of half Europe write semicolons
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    table.fieldnames = [name.strip().lower() for name in _fields(table)]
    missing = [name for name in ("source", "verdict") if name not in (table.fieldnames or ())]
    if missing:
        raise _at(1, f"there is no column {missing[0]!r}")
    report, tries = current_report(run)
    names = ("source", "attempt_id", "output_sha256", "status", "suggestion")
    delivered = {row["source"]: row for row in report.select(names).to_pylist()}
    suggested = _suggested(tries)
    now = datetime.now(UTC)
    try:
        for row in table:
            said = {name: (row.get(name) or "").strip() for name in ("verdict", "why", "reviewer")}
            said["verdict"] = said["verdict"].lower()
            bound = _delivered(delivered, row["source"] or "", table.line_num)
            if said["verdict"] == _TAKE:
                bound = _suggestion(delivered[bound["source"]], suggested, table.line_num)
                said["verdict"] = "good"
            yield table.line_num, bound | said | {"time": now}
    except csv.Error as error:
        raise _at(table.line_num, f"it is no CSV: {error}") from error


def _fields(table: csv.DictReader[str]) -> Sequence[str]:
    try:
        return table.fieldnames or ()
    except csv.Error as error:
        raise _at(1, f"it is no CSV: {error}") from error


def _delivered(delivered: Mapping[str, Row], source: str, number: int) -> dict[str, Any]:
    if source not in delivered:
        source = source.strip()
    if source not in delivered:
        raise _at(number, f"there is no photo {source!r} in this run")
    row = delivered[source]
    if row["attempt_id"] is None or row["output_sha256"] is None:
        raise _at(number, f"{source!r} has no output to judge, it is {row['status'] or 'pending'}")
    return {name: row[name] for name in _BOUND}


def _suggested(tries: pa.Table) -> dict[tuple[str, str], Row]:
    """The suggestions of a run by source and by their path below RUN."""
    rows = tries.filter(pc.equal(tries["decision"], "suggested"))
    found = rows.select([*_BOUND, "output"]).to_pylist()
    return {(row["source"], f"refused/{row['attempt_id']}/{row['output']}"): row for row in found}


def _suggestion(row: Row, suggested: Mapping[tuple[str, str], Row], number: int) -> dict[str, Any]:
    if row["suggestion"] is None:
        raise _at(number, f"there is no suggestion for {row['source']!r}")
    made = suggested[row["source"], row["suggestion"]]
    return {name: made[name] for name in _BOUND}


def _page_lines(run: Run, text: str) -> Lines:
    """The verdicts that the page has written down, each on the attempt that was looked at."""
    head, *lines = text.splitlines()
    file = _json(1, head)
    if file.get("ganst_reviews") != _PAGE_FORMAT:
        raise _at(1, "it was not written by the page of a run")
    if file.get("run") != run_key(run):
        raise _at(1, f"it was made on the page of another run, {file.get('run')!r}")
    known = _known_attempts(run)
    for number, line in enumerate(lines, start=2):
        if line.strip():
            yield number, _page_review(number, _json(number, line), known)


def _page_review(number: int, found: Row, known: set[Key]) -> Row:
    names = [name for name in schema.REVIEWS.names if not isinstance(found.get(name), str)]
    if names:
        raise _at(number, f"{names[0]!r} is {found.get(names[0])!r}, not a text")
    if key_of(found) not in known:
        raise _at(number, f"this run has made no such output of {found['source']!r}")
    try:
        time = datetime.fromisoformat(found["time"]).astimezone(UTC)
    except ValueError as error:
        raise _at(number, f"{found['time']!r} is no time") from error
    return {name: found[name] for name in schema.REVIEWS.names} | {"time": time}


def _known_attempts(run: Run) -> set[Key]:
    """Every output of the run there ever was, and those of the report."""
    folder = run.folder
    report, _ = current_report(run)
    tables = (
        read_parts(folder.attempts, schema.attempts_schema()),
        read_parts(folder.stage("stylize"), schema.STYLIZED),
        report,
    )
    names = ("source", "attempt_id", "output_sha256")
    return {key_of(row) for table in tables for row in table.select(names).to_pylist()}


def _json(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise _at(number, f"it is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise _at(number, "it is no JSON object")
    return value


def _at(number: int, what: str) -> ReviewFileError:
    return ReviewFileError(f"line {number}: {what}")
