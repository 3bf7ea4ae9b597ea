"""The columns of report.parquet: what the joined attempts of every photo come to.

A row of `wide` is a photo: the columns of its catalog row, and those of its first output (`first_`),
of the image as the network made it (`made_`), of the attempt that took its place (`accepted_`) and of
the one that a person may take (`suggested_`).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import schema
from pipelines.reviews import REVIEWED_BAD
from pipelines.run_columns import OF_RUN

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


def final_columns(wide: pa.Table, style: str, style_digest: str) -> pa.Table:
    """The columns of `schema.REPORT`, in its order, one row a row of `wide`; null are those of `OF_RUN`."""
    status = _status(wide)
    is_corrected = equals(status, "corrected")
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
            wide["tries"], pc.cast(equals(wide["made_status"], "ok"), pa.int64())
        ),
        "strategy": wide["accepted_strategy"],
        **{
            name: pc.if_else(is_corrected, wide[f"accepted_{name}"], wide[f"first_{name}"])
            for name in _SCORES
        },
        **{name: pa.nulls(wide.num_rows, schema.REPORT.field(name).type) for name in OF_RUN},
        "was_flagged": was_flagged,
        # Why the first output was flagged: a corrected image keeps the reason it was corrected for.
        **{name: _where(was_flagged, wide[f"first_{name}"]) for name in _REASONS},
        **{name: _of_delivered(wide, status, name) for name in ("verdict", "verdict_why")},
        "suggestion": _where(equals(status, "quarantined"), _suggestion(wide)),
        "evidence": _evidence(wide, status, was_flagged),
        "error": _error(wide, status),
    }
    # What a person waives is not flagged any more, what a person refuses is.
    by_rule = pc.and_not(columns["flagged"], equals(wide["accepted_verdict"], "good"))
    columns["flagged"] = pc.if_else(is_corrected, by_rule, _is_bad(wide))
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
    is_hopeless = pc.and_(equals(_said(wide), "bad"), _is_unjudged(wide))
    gave_up = pc.and_(is_bad, pc.or_(was_tried, is_hopeless))
    cases = {
        "rejected": pc.or_(
            equals(wide["status"], "rejected"), equals(wide["made_status"], "rejected")
        ),
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
    waived = pc.and_(was_flagged, equals(_said(wide), "good"))
    return pc.or_(pc.and_(was_flagged, pc.invert(waived)), equals(_said(wide), "bad"))


def _is_refused_unflagged(wide: pa.Table) -> pa.ChunkedArray:
    was_flagged = pc.fill_null(wide["first_flagged"], False)
    return pc.and_(equals(_said(wide), "bad"), pc.invert(was_flagged))


def _is_unjudged(wide: pa.Table) -> pa.ChunkedArray:
    return pc.equal(pc.fill_null(wide["first_score_status"], "uncalibrated"), "uncalibrated")


def _output(wide: pa.Table, status: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where the image lies, relative to the run; null where there is none."""
    place = pc.if_else(equals(status, "quarantined"), "quarantine", "images")
    path = pc.binary_join_element_wise(place, wide["made_output"], "/")
    return _where(_has_image(status), path)


def _of_delivered(wide: pa.Table, status: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """That column of the attempt that made the image `output` names; one without scores too."""
    first = pc.coalesce(wide[f"first_{name}"], wide[f"made_{name}"])
    delivered = pc.if_else(equals(status, "corrected"), wide[f"accepted_{name}"], first)
    return _where(_has_image(status), delivered)


def _suggestion(wide: pa.Table) -> pa.ChunkedArray:
    attempt, output = wide["suggested_attempt_id"], wide["suggested_output"]
    return pc.binary_join_element_wise("refused", attempt, output, "/")


def _has_image(status: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.is_valid(status), pc.invert(equals(status, "rejected")))


def _error(wide: pa.Table, status: pa.ChunkedArray) -> pa.ChunkedArray:
    waiting = pa.scalar("not stylized yet: the same command again goes on here", pa.string())
    said = pc.coalesce(wide["error"], wide["made_error"])
    return pc.if_else(pc.is_null(status), waiting, _where(equals(status, "rejected"), said))


def _evidence(
    wide: pa.Table, status: pa.ChunkedArray, was_flagged: pa.ChunkedArray
) -> pa.ChunkedArray:
    """What stands out in a flagged output, or why an image has no score."""
    score_status = pc.fill_null(wide["first_score_status"], "missing")
    is_missing = pc.and_(_has_image(status), equals(score_status, "missing"))
    is_telling = pc.or_(was_flagged, pc.invert(equals(score_status, "scored")))
    waiting = _where(is_missing, _constant("not scored yet", wide.num_rows))
    return pc.coalesce(_where(is_telling, wide["first_evidence"]), waiting)


def equals(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    """Where a column has that value; not where it is null."""
    return pc.fill_null(pc.equal(column, value), False)


def _where(mask: pa.ChunkedArray, column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(mask, column, pa.scalar(None, column.type))


def _constant(value: str, length: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([value] * length, pa.string())])
