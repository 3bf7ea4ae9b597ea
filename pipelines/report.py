"""The final word on every photo: catalog and committed parts -> report.parquet, page, sheets.

Nothing here looks at a clock, at returned values or at the order of the parts, so that a run which
was killed and resumed ends in the same report.parquet, byte for byte, as one that was left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.backbone import BACKBONE_COLUMNS
from ganst.scoring.columns import COLUMN_NAMES
from pipelines import parquet, schema
from pipelines.page import write_page
from pipelines.report_columns import equals, final_columns
from pipelines.reviews import read_verdicts, with_verdicts
from pipelines.run_columns import with_relative, without_relative
from pipelines.shards import joined
from pipelines.sheets import write_sheets
from pipelines.summary import Summary, summarise, write_summary
from pipelines.verdict_files import settle_files
from pipelines.video.shots import write_shots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.progress import StageSummary
    from pipelines.reviews import Verdicts
    from pipelines.runs import Run

# A photo whose bytes changed is another photo: its old outputs and scores say nothing about it.
_PHOTO = ("source", "source_sha256")

# What it tells of a first output.
_MADE = parquet.columns_of(
    schema.STYLIZED, *_PHOTO, "attempt_id", "output_sha256", "output", "status", "error"
)
# What the report does not tell of an attempt, many times as much as all else.
_LEFT_OUT = frozenset((*COLUMN_NAMES, *BACKBONE_COLUMNS)) | {
    "params",
    "style",
    "style_digest",
    "precision",
    "checkpoint",
    "seed",
    "group",
    "parent_attempt_id",
    "calibration_id",
    "decision_reason",
}


def write_report(run: Run, stages: Sequence[StageSummary] = ()) -> Summary:
    """Write everything that a person or pandas reads of a run.

    `stages` are the stages that this call has just run: their times go into summary.json.
    """
    folder = run.folder
    verdicts = read_verdicts(folder)
    report, tries = current_report(run, verdicts)
    parquet.give_back()
    settle_files(folder, report, tries, verdicts)
    parquet.commit_table(folder.report, report)
    write_shots(folder, report)
    summary = summarise(run, report, tries, stages)
    write_summary(folder.summary, summary)
    write_page(run, report, tries, summary, verdicts)
    write_sheets(run, report)
    return summary


def current_report(run: Run, verdicts: Verdicts | None = None) -> tuple[pa.Table, pa.Table]:
    """What the committed parts come to: the rows of the report, and the attempts that count.

    `verdicts` are those in RUN/reviews unless they are given.
    """
    folder = run.folder
    if verdicts is None:
        verdicts = read_verdicts(folder)
    catalog = parquet.read_table(folder.catalog, schema.CATALOG)
    attempts = parquet.read_parts(folder.attempts, schema.attempts_schema())
    tries = with_relative(run, with_verdicts(lineage(catalog, attempts), verdicts))
    report = build_report(
        catalog,
        # Handed over: two copies of it at a time are enough.
        with_verdicts(parquet.read_parts(folder.stage("stylize"), _MADE), verdicts),
        tries,
        style=run.pack.name,
        style_digest=run.pack.digest,
    )
    return report, tries


def build_report(
    catalog: pa.Table, stylized: pa.Table, tries: pa.Table, *, style: str, style_digest: str
) -> pa.Table:
    """One row per catalog row, sorted by source, in the order and types of `schema.REPORT`.

    `tries` is what `lineage` gives of all attempts. It and `stylized` have the columns of
    `with_verdicts`; `tries` may have `p_relative` too.
    `status` is null, with a sentence in `error`, while a photo's shard has not finished; no row
    of a finished run has that.
    """
    if "p_relative" not in tries.column_names:
        tries = without_relative(tries)
    photos = catalog.rename_columns({"sha256": "source_sha256", "output": "planned"})
    # "ok" comes last: a photo that was rejected once and stylized later is stylized.
    made = _last_of_each(stylized, _PHOTO, ("-status", "attempt_id"))
    del stylized
    first = _last_of_each(_only(tries, "first"), _PHOTO, ())
    accepted = _last_of_each(tries.filter(_is_taken(tries)), _PHOTO, ("attempt_no", "attempt_id"))
    suggested = _last_of_each(_suggestions(tries), _PHOTO, ("-anomaly", "-attempt_no"))
    counts = _counts(tries)

    wide = photos.sort_by("source")
    del photos
    for table, prefix in (
        (made, "made_"),
        (first, "first_"),
        (accepted, "accepted_"),
        (suggested, "suggested_"),
        (counts, ""),
    ):
        wide = _beside(wide, _prefixed(table, prefix))
    return final_columns(wide, style, style_digest)


def lineage(catalog: pa.Table, attempts: pa.Table) -> pa.Table:
    """The attempts that count: of the photos as they are now, each attempt once.

    All attempts on a photo are of the newest scorer version that scored its first output. Sorted
    by source and attempt number.
    """
    # Two drivers on one run may both commit an attempt: always the same copy must count.
    unique = _last_of_each(
        attempts, (*_PHOTO, "attempt_id"), ("attempt_no", "output_sha256", "decision")
    )
    first = _last_of_each(_only(unique, "first"), _PHOTO, ("scorer_version", "attempt_id"))
    photos = catalog.select(["source", "sha256"]).rename_columns(list(_PHOTO))
    current = first.filter(_are_among(first, photos, _PHOTO))
    tries = unique.filter(_are_among(unique, current, (*_PHOTO, "scorer_version")))
    return tries.sort_by([(name, "ascending") for name in ("source", "attempt_no", "attempt_id")])


def _only(attempts: pa.Table, decision: str) -> pa.Table:
    return attempts.filter(pc.equal(attempts["decision"], decision))


def _is_taken(tries: pa.Table) -> pa.ChunkedArray:
    """Accepted and not refused by a person, or suggested and taken by one."""
    passed = pc.and_(
        pc.equal(tries["decision"], "accepted"), pc.invert(equals(tries["verdict"], "bad"))
    )
    chosen = pc.and_(pc.equal(tries["decision"], "suggested"), equals(tries["verdict"], "good"))
    return pc.or_(passed, chosen)


def _suggestions(tries: pa.Table) -> pa.Table:
    """Those that no person has refused."""
    suggested = pc.equal(tries["decision"], "suggested")
    return tries.filter(pc.and_(suggested, pc.invert(equals(tries["verdict"], "bad"))))


def _counts(tries: pa.Table) -> pa.Table:
    """Attempts and refused attempts of each photo."""
    by_person = pc.and_(pc.equal(tries["decision"], "accepted"), equals(tries["verdict"], "bad"))
    by_rule = pc.is_in(tries["decision"], pa.array(["refused", "suggested"]))
    refused = pc.cast(pc.or_(by_rule, by_person), pa.int64())
    grouped = (
        tries.select(list(_PHOTO))
        .append_column("refused", refused)
        .group_by(list(_PHOTO))
        .aggregate([("refused", "count"), ("refused", "sum")])
    )
    return grouped.rename_columns({"refused_count": "tries", "refused_sum": "refusals"})


def _last_of_each(table: pa.Table, keys: Sequence[str], order: Sequence[str]) -> pa.Table:
    """The last row of every distinct `keys`, rows ordered by `order`; `-name` is downwards."""
    if table.num_rows == 0:
        return table
    places = pc.sort_indices(table, sort_keys=[_direction(name) for name in (*keys, *order)])
    differs = pa.array([False] * (table.num_rows - 1), pa.bool_())
    for key in keys:
        column = table[key].take(places).combine_chunks()
        differs = pc.or_(differs, pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)))
    # Only what stays is copied.
    return table.take(places.filter(pa.concat_arrays([differs, pa.array([True])])))


def _direction(name: str) -> tuple[str, str]:
    return (name[1:], "descending") if name.startswith("-") else (name, "ascending")


def _beside(photos: pa.Table, table: pa.Table) -> pa.Table:
    """The columns of a table that has at most one row a photo, null where it has none.

    What a left join gives, in order, and without the 50 MB that Arrow's takes for the smallest one.
    """
    keys = joined(photos, _PHOTO), joined(table, _PHOTO)
    places = pc.index_in(keys[0], value_set=keys[1], skip_nulls=True)
    table = table.combine_chunks()
    for name in table.column_names:
        if name not in _PHOTO:
            photos = photos.append_column(name, table[name].take(places))
    return photos


def _are_among(rows: pa.Table, table: pa.Table, keys: Sequence[str]) -> pa.ChunkedArray:
    """Which rows have their keys in the table."""
    return pc.is_in(joined(rows, keys), value_set=joined(table, keys), skip_nulls=True)


def _prefixed(table: pa.Table, prefix: str) -> pa.Table:
    """All but what was measured; every column but the keys gets the prefix: joined tables do not collide."""
    names = [name for name in table.column_names if name not in _LEFT_OUT]
    return table.select(names).rename_columns(
        [name if name in _PHOTO else f"{prefix}{name}" for name in names]
    )
