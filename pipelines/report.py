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
from pipelines.reviews import REVIEWED_BAD, read_verdicts, with_verdicts
from pipelines.run_columns import q_of_run, twin_of, with_relative, without_relative
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

# Taken from the image that `output` names.
_SCORES = (
    "p_anomaly",
    "flagged",
    "p_content",
    "p_style",
    "p_passthrough",
    "p_artifact",
    "p_color",
    "p_source",
)
_IDENTITY = ("attempt_id", "output_sha256")
_REASONS = ("reason", "reason_probability")
# What it tells of a first output.
_MADE = parquet.columns_of(schema.STYLIZED, *_PHOTO, *_IDENTITY, "output", "status", "error")
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
    kept = pc.fill_null(pc.not_equal(tries["verdict"], "bad"), True)
    accepted = _last_of_each(
        _only(tries.filter(kept), "accepted"), _PHOTO, ("attempt_no", "attempt_id")
    )
    counts = _counts(tries)

    wide = photos.sort_by("source")
    del photos
    for table, prefix in (
        (made, "made_"),
        (first, "first_"),
        (accepted, "accepted_"),
        (counts, ""),
    ):
        wide = _beside(wide, _prefixed(table, prefix))
    return _final_columns(wide, style, style_digest)


def lineage(catalog: pa.Table, attempts: pa.Table) -> pa.Table:
    """The attempts that count: of the photos as they are now, each attempt once.

    All attempts on a photo are of the newest scorer version that scored its first output. Sorted
    by source and attempt number.
    """
    # Two drivers on one run may both commit an attempt: always the same copy must count.
    unique = _last_of_each(attempts, (*_PHOTO, "attempt_id"), ("attempt_no", "output_sha256"))
    first = _last_of_each(_only(unique, "first"), _PHOTO, ("scorer_version", "attempt_id"))
    photos = catalog.select(["source", "sha256"]).rename_columns(list(_PHOTO))
    current = first.filter(_are_among(first, photos, _PHOTO))
    tries = unique.filter(_are_among(unique, current, (*_PHOTO, "scorer_version")))
    return tries.sort_by([(name, "ascending") for name in ("source", "attempt_no", "attempt_id")])


def _only(attempts: pa.Table, decision: str) -> pa.Table:
    return attempts.filter(pc.equal(attempts["decision"], decision))


def _counts(tries: pa.Table) -> pa.Table:
    """Attempts and refused attempts of each photo."""
    by_person = pc.and_(pc.equal(tries["decision"], "accepted"), _is(tries["verdict"], "bad"))
    refused = pc.cast(pc.or_(pc.equal(tries["decision"], "refused"), by_person), pa.int64())
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


def _final_columns(wide: pa.Table, style: str, style_digest: str) -> pa.Table:
    status = _status(wide)
    is_corrected = _is(status, "corrected")
    was_flagged = pc.fill_null(wide["first_flagged"], False)
    columns = {
        "source": wide["source"],
        "source_sha256": wide["source_sha256"],
        "group": wide["group"],
        "status": status,
        "output": _output(wide, status),
        **{name: _of_delivered(wide, status, name) for name in _IDENTITY},
        "style": _constant(style, wide.num_rows),
        "style_digest": _constant(style_digest, wide.num_rows),
        # An output that is not scored yet has no attempt row, and was made all the same.
        "attempts": pc.fill_null(
            wide["tries"], pc.cast(_is(wide["made_status"], "ok"), pa.int64())
        ),
        "strategy": wide["accepted_strategy"],
        **{
            name: pc.if_else(is_corrected, wide[f"accepted_{name}"], wide[f"first_{name}"])
            for name in _SCORES
        },
        "q_anomaly": q_of_run(wide["first_p_anomaly"]),
        "p_relative": wide["first_p_relative"],
        "twin_of": twin_of(wide["source"], wide["first_source_print"], wide["first_output_print"]),
        "was_flagged": was_flagged,
        # Why the first output was flagged: a corrected image keeps the reason it was corrected for.
        **{name: _where(was_flagged, wide[f"first_{name}"]) for name in _REASONS},
        **{name: _of_delivered(wide, status, name) for name in ("verdict", "verdict_why")},
        "evidence": _evidence(wide, status, was_flagged),
        "error": _error(wide, status),
    }
    # What a person waives is not flagged any more, what a person refuses is.
    columns["flagged"] = pc.if_else(is_corrected, columns["flagged"], _is_bad(wide))
    columns["reason"] = pc.if_else(
        _is_refused_unflagged(wide), _constant(REVIEWED_BAD, wide.num_rows), columns["reason"]
    )
    # A mask with nulls cannot index a pandas frame: what was never scored is not flagged.
    columns["flagged"] = pc.fill_null(columns["flagged"], False)
    ordered = {field.name: columns[field.name] for field in schema.REPORT}
    return pa.table(ordered).cast(schema.REPORT).combine_chunks()


def _status(wide: pa.Table) -> pa.ChunkedArray:
    """ok, corrected, flagged, quarantined, rejected; null where the photo is not stylized yet."""
    is_bad = _is_bad(wide)
    was_tried = pc.greater(pc.fill_null(wide["refusals"], 0), 0)
    # Without a calibration nothing can tell whether another attempt is better.
    is_hopeless = pc.and_(_is(_said(wide), "bad"), _is_unjudged(wide))
    gave_up = pc.and_(is_bad, pc.or_(was_tried, is_hopeless))
    cases = {
        "rejected": pc.or_(_is(wide["status"], "rejected"), _is(wide["made_status"], "rejected")),
        None: pc.is_null(wide["made_status"]),
        "corrected": pc.is_valid(wide["accepted_attempt_id"]),
        "quarantined": gave_up,
        "flagged": is_bad,
    }
    conditions = pc.make_struct(*cases.values(), field_names=[str(name) for name in cases])
    return pc.case_when(conditions, *(pa.scalar(name, pa.string()) for name in cases), "ok")


def _said(wide: pa.Table) -> pa.ChunkedArray:
    """The verdict on the first output."""
    return pc.coalesce(wide["first_verdict"], wide["made_verdict"])


def _is_bad(wide: pa.Table) -> pa.ChunkedArray:
    """The first output is bad: a person's word, or else the flag."""
    was_flagged = pc.fill_null(wide["first_flagged"], False)
    waived = pc.and_(was_flagged, _is(_said(wide), "good"))
    return pc.or_(pc.and_(was_flagged, pc.invert(waived)), _is(_said(wide), "bad"))


def _is_refused_unflagged(wide: pa.Table) -> pa.ChunkedArray:
    was_flagged = pc.fill_null(wide["first_flagged"], False)
    return pc.and_(_is(_said(wide), "bad"), pc.invert(was_flagged))


def _is_unjudged(wide: pa.Table) -> pa.ChunkedArray:
    return pc.equal(pc.fill_null(wide["first_score_status"], "uncalibrated"), "uncalibrated")


def _output(wide: pa.Table, status: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where the image lies, relative to the run; null where there is none."""
    place = pc.if_else(_is(status, "quarantined"), "quarantine", "images")
    path = pc.binary_join_element_wise(place, wide["made_output"], "/")
    return _where(_has_image(status), path)


def _of_delivered(wide: pa.Table, status: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """That column of the attempt that made the image `output` names; one without scores too."""
    first = pc.coalesce(wide[f"first_{name}"], wide[f"made_{name}"])
    delivered = pc.if_else(_is(status, "corrected"), wide[f"accepted_{name}"], first)
    return _where(_has_image(status), delivered)


def _has_image(status: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.is_valid(status), pc.invert(_is(status, "rejected")))


def _error(wide: pa.Table, status: pa.ChunkedArray) -> pa.ChunkedArray:
    waiting = pa.scalar("not stylized yet: the same command again goes on here", pa.string())
    said = pc.coalesce(wide["error"], wide["made_error"])
    return pc.if_else(pc.is_null(status), waiting, _where(_is(status, "rejected"), said))


def _evidence(
    wide: pa.Table, status: pa.ChunkedArray, was_flagged: pa.ChunkedArray
) -> pa.ChunkedArray:
    """What stands out in a flagged output, or why an image has no score."""
    score_status = pc.fill_null(wide["first_score_status"], "missing")
    is_missing = pc.and_(_has_image(status), _is(score_status, "missing"))
    is_telling = pc.or_(was_flagged, pc.invert(_is(score_status, "scored")))
    waiting = _where(is_missing, _constant("not scored yet", wide.num_rows))
    return pc.coalesce(_where(is_telling, wide["first_evidence"]), waiting)


def _is(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(column, value), False)


def _where(mask: pa.ChunkedArray, column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(mask, column, pa.scalar(None, column.type))


def _constant(value: str, length: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([value] * length, pa.string())])
