"""The rows of the page: each source of the report as the few values that the page shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import page_pictures
from pipelines.heat import SAMPLE, is_good, usual_among
from pipelines.report_draft import FAMILIES
from pipelines.reviews import key_of
from pipelines.thumbnails import places_evenly
from pipelines.video.page import clip_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ganst.scoring.heatmap import LocalScale
    from pipelines.report_draft import Draft
    from pipelines.reviews import Verdicts
    from pipelines.runs import Run

    Row = Mapping[str, Any]

# More would make the page slow to open: of a larger run it lists all that is wrong, worst first,
# and an even sample of what is fine.
MAX_ROWS = 20_000

# What needs somebody's eyes comes first.
_ORDER = pa.array(["quarantined", "flagged", "corrected", "pending", "ok", "rejected"])
_NO_P = 2.0  # behind all that have one
_UNSHOWN = ["group", "style", "style_digest"]
_BATCH = 256  # rows that are objects of Python at a time


def listed(draft: Draft) -> list[int]:
    """Numbers of the rows of the report that the page lists, worst first."""
    return choose_rows(_worst_first(draft)).column("place").to_pylist()


def page_rows(
    run: Run, draft: Draft, places: Sequence[int], verdicts: Verdicts
) -> Iterator[dict[str, Any]]:
    """These rows of the report as JSON values; what is not known is left out."""
    # Of a run of a million photos only the rows of the page become objects, and not all at a time.
    kept = draft.take(places).drop_columns(_UNSHOWN)
    brief = kept.select(["source", "output", "status", "was_flagged", "attempt_id"]).to_pylist()
    sides = page_pictures.choose_sides(brief)
    heated = page_pictures.choose_heated(brief)
    usual = _usual(run, draft) if heated else None
    clips = clip_values(run, brief)
    del brief
    is_told = pc.or_(kept["was_flagged"], pc.greater(kept["attempts"], 1))
    told = draft.attempts_at(kept["source"].filter(is_told).to_pylist())
    for start in range(0, kept.num_rows, _BATCH):
        rows = kept.slice(start, _BATCH)
        lineages = _lineages(told, rows["source"])
        yield from (
            _page_row(run, row, lineages.get(row["source"], ()), sides.get(row["source"]))
            | _verdict(verdicts.get(key_of(row)))
            | _suggestion(row, lineages.get(row["source"], ()), verdicts)
            | (_heat(run, row, usual) if row["source"] in heated else {})
            | ({"clip": clips[row["source"]]} if row["source"] in clips else {})
            for row in rows.to_pylist()
        )


def _usual(run: Run, draft: Draft) -> LocalScale | None:
    """As `usual_of` has it of the whole report."""
    good = is_good(draft.overview, run.config.alpha)
    mask = pc.and_not(good, draft.overview["is_clip"])
    return usual_among(run, draft.take(places_evenly(mask, SAMPLE)).to_pylist())


def choose_rows(rows: pa.Table) -> pa.Table:
    """At most `MAX_ROWS`: those that are not fine before those that are."""
    if rows.num_rows <= MAX_ROWS:
        return rows
    is_good = pc.fill_null(pc.equal(rows["status"], "ok"), False)
    odd, good = rows.filter(pc.invert(is_good)).slice(0, MAX_ROWS), rows.filter(is_good)
    room = min(MAX_ROWS - odd.num_rows, good.num_rows)
    even = [index * good.num_rows // room for index in range(room)]
    return pa.concat_tables([odd, good.take(pa.array(even, pa.int64()))])


def as_script(values: object) -> str:
    """JSON that may stand in a script element: no text in it can end the element."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page_row(run: Run, row: Row, lineage: Sequence[Row], side: int | None) -> dict[str, Any]:
    first = lineage[0] if lineage else row
    corrected = row["status"] == "corrected"
    values = {
        "name": row["source"],
        "status": row["status"] or "pending",
        "reason": row["reason"],
        "sure": _rounded(row["reason_probability"]),
        "p": _rounded(row["p_anomaly"]),
        "first": _rounded(first["p_anomaly"]),
        "before": _family_values(first),
        "after": _family_values(row) if corrected else None,
        "evidence": row["evidence"],
        "error": row["error"],
        "strategy": row["strategy"],
        "tries": [_try(attempt) for attempt in lineage[1:]],
        "attempt": row["attempt_id"],
        "sha": row["output_sha256"],
        "pictures": page_pictures.pictures(run, row, side),
    }
    return {name: value for name, value in values.items() if value not in (None, [])}


def _verdict(review: Row | None) -> dict[str, str]:
    """What was imported; the time as the page's own clock writes it, to compare with."""
    if review is None:
        return {}
    time = review["time"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"verdict": review["verdict"], "why": review["why"] or "", "reviewed": time}


def _suggestion(row: Row, lineage: Sequence[Row], verdicts: Verdicts) -> dict[str, Any]:
    """What verdicts on the suggestion are bound to, and how it was made."""
    if not row["suggestion"]:
        return {}
    (made,) = [one for one in lineage if f"refused/{one['attempt_id']}/" in row["suggestion"]]
    found = {
        "attempt": made["attempt_id"],
        "sha": made["output_sha256"],
        "strategy": made["strategy"],
        "p": _rounded(made["p_anomaly"]),
    }
    return {"suggested": found | _verdict(verdicts.get(key_of(made)))}


def _heat(run: Run, row: Row, usual: LocalScale | None) -> dict[str, Any]:
    found = page_pictures.heat(run, row, usual)
    return {"heat": found} if found else {}


def _family_values(row: Row) -> list[float | None] | None:
    found = [_rounded(row[f"p_{name}"]) for name in FAMILIES]
    return found if any(value is not None for value in found) else None


def _try(attempt: Row) -> dict[str, Any]:
    return {
        "strategy": attempt["strategy"],
        "decision": attempt["decision"],
        "why": attempt["decision_reason"],
        "p": _rounded(attempt["p_anomaly"]),
    }


def _worst_first(draft: Draft) -> pa.Table:
    """`status` and `place` of all rows.

    By what needs somebody's eyes, then by the p-value of the first output, then by name.
    """
    rows, first = draft.overview, draft.firsts
    # Flagged without a score: nothing is worse than an output that cannot be read.
    unscored = pc.if_else(pc.fill_null(first["flagged"], False), 0.0, _NO_P)
    p = pc.coalesce(first["p_anomaly"], unscored)
    keys = {
        "rank": pc.index_in(pc.fill_null(rows["status"], "pending"), value_set=_ORDER),
        "p": pc.fill_null(p.take(pc.index_in(rows["source"], value_set=first["source"])), _NO_P),
        "source": rows["source"],
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return pa.table({"status": rows["status"].take(order), "place": order})


def _lineages(told: pa.Table, sources: pa.ChunkedArray) -> dict[str, list[Row]]:
    """The attempts of each source in the order in which they were made."""
    found: dict[str, list[Row]] = {}
    for row in told.filter(pc.is_in(told["source"], value_set=sources)).to_pylist():
        found.setdefault(row["source"], []).append(row)
    return found


def _rounded(value: float | None) -> float | None:
    """Four digits that mean something: a page of 10,000 rows is then half as large."""
    return None if value is None else float(f"{value:.4g}")
