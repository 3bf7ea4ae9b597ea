"""What the committed rows of each photo come to: catalog, first outputs and attempts -> rows of the report.

All of it is photo by photo, so it may be done to a slice of the sources as well as to all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.backbone import BACKBONE_COLUMNS
from ganst.scoring.columns import COLUMN_NAMES
from pipelines import parquet, schema
from pipelines.report_columns import equals, final_columns
from pipelines.shards import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

# A photo whose bytes changed is another photo: its old outputs and scores say nothing about it.
PHOTO = ("source", "source_sha256")

# Of first outputs: what the columns over a whole run are made of.
FIRST = ("p_anomaly", "source_print", "output_print")

# What it tells of a first output, and of an attempt: the scores are many times as much.
MADE = parquet.columns_of(
    schema.STYLIZED, *PHOTO, "attempt_id", "output_sha256", "output", "status", "error"
)
_LEFT_OUT = frozenset((*COLUMN_NAMES, *BACKBONE_COLUMNS)) | {
    "params",
    "style",
    "style_digest",
    "precision",
    "checkpoint",
    "seed",
    "parent_attempt_id",
}
ATTEMPT = parquet.columns_of(
    schema.attempts_schema(),
    *(name for name in schema.attempts_schema().names if name not in _LEFT_OUT),
)
# Of an attempt that is read, but not told beside the photo.
_UNTOLD = frozenset({"group", "calibration_id", "decision_reason"})


def report_rows(
    catalog: pa.Table, stylized: pa.Table, tries: pa.Table, *, style: str, style_digest: str
) -> tuple[pa.Table, pa.Table]:
    """One row per catalog row, sorted by source, in the order and types of `schema.REPORT`.

    Null are the columns that are made of all outputs of a run. Beside the rows: what these are made
    of, `p_anomaly`, `source_print` and `output_print` of the first outputs.

    `tries` is what `lineage` gives of all attempts. It and `stylized` have the columns of
    `with_verdicts`.
    `status` is null, with a sentence in `error`, while a photo's shard has not finished; no row
    of a finished run has that.
    """
    photos = catalog.rename_columns({"sha256": "source_sha256", "output": "planned"})
    # "ok" comes last: a photo that was rejected once and stylized later is stylized.
    made = _last_of_each(stylized, PHOTO, ("-status", "attempt_id"))
    first = _last_of_each(_only(tries, "first"), PHOTO, ())
    accepted = _last_of_each(tries.filter(_is_taken(tries)), PHOTO, ("attempt_no", "attempt_id"))
    suggested = _last_of_each(_suggestions(tries), PHOTO, ("attempt_no", "attempt_id"))
    counts = _counts(tries)

    wide = photos.sort_by("source")
    for table, prefix in (
        (made, "made_"),
        (first, "first_"),
        (accepted, "accepted_"),
        (suggested, "suggested_"),
        (counts, ""),
    ):
        wide = _beside(wide, _prefixed(table, prefix))
    firsts = {name: wide[f"first_{name}"] for name in FIRST}
    return final_columns(wide, style, style_digest), pa.table(firsts)


def lineage(catalog: pa.Table, attempts: pa.Table) -> pa.Table:
    """The attempts that count: of the photos as they are now, each attempt once.

    All attempts on a photo are of the newest scorer version that scored its first output. Sorted
    by source and attempt number.
    """
    # Two drivers on one run may both commit an attempt: always the same copy must count.
    unique = _last_of_each(
        attempts, (*PHOTO, "attempt_id"), ("attempt_no", "output_sha256", "decision")
    )
    first = _last_of_each(_only(unique, "first"), PHOTO, ("scorer_version", "attempt_id"))
    photos = catalog.select(["source", "sha256"]).rename_columns(list(PHOTO))
    current = first.filter(_are_among(first, photos, PHOTO))
    tries = unique.filter(_are_among(unique, current, (*PHOTO, "scorer_version")))
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
        tries.select(list(PHOTO))
        .append_column("refused", refused)
        .group_by(list(PHOTO))
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
    keys = joined(photos, PHOTO), joined(table, PHOTO)
    places = pc.index_in(keys[0], value_set=keys[1], skip_nulls=True)
    table = table.combine_chunks()
    for name in table.column_names:
        if name not in PHOTO:
            photos = photos.append_column(name, table[name].take(places))
    return photos


def _are_among(rows: pa.Table, table: pa.Table, keys: Sequence[str]) -> pa.ChunkedArray:
    """Which rows have their keys in the table."""
    return pc.is_in(joined(rows, keys), value_set=joined(table, keys), skip_nulls=True)


def _prefixed(table: pa.Table, prefix: str) -> pa.Table:
    """All but what was measured; every column but the keys gets the prefix: joined tables do not collide."""
    names = [name for name in table.column_names if name not in _LEFT_OUT | _UNTOLD]
    return table.select(names).rename_columns(
        [name if name in PHOTO else f"{prefix}{name}" for name in names]
    )
