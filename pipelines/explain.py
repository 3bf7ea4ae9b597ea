"""Why an image of a run is flagged, or is not: facts from its rows, in words, with a picture."""

from __future__ import annotations

import difflib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from ganst.scoring.calibration import FAMILIES, JUDGED, SOURCE_NAMES
from ganst.scoring.reasons import Finding, findings
from pipelines import storage, thumbnails
from pipelines.errors import GanstError
from pipelines.heat import Heat, heat_of, painted, usual_of
from pipelines.judging import load_calibration
from pipelines.report import current_report
from pipelines.sheets import draw_strip
from pipelines.video.explaining import ShotNote, shot_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from PIL import Image
    from upath import UPath

    from ganst.scoring.calibration import Calibration
    from pipelines.runs import Run

    Row = Mapping[str, Any]

_SIDE_PX = 640
_MOST_FINDINGS = 5
_COLUMNS = (*SOURCE_NAMES, *(column.name for column in JUDGED))
# Of the photo itself: how usual it is among the photos of the calibration, where a row has that.
_COVERAGE = "p_source"


class UnknownSourceError(GanstError):
    """No photo of that name is in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at correction: what it was, what became of it, why, and how usual it looked."""

    strategy: str
    decision: str
    why: str | None
    p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known of one photo of a run; p-values 0..1 of its first output, None: not scored.

    `p_delivered` is that of the image that is delivered. `findings`: the columns that stand out,
    largest first. `shots`: of a clip, those that are flagged, or the worst. `place` and `local`: where
    in the picture something is unusual, and what.
    """

    source: str
    status: str | None
    reason: str | None
    reason_probability: float | None
    score_status: str | None
    alpha: float
    p_anomaly: float | None
    p_delivered: float | None
    families: Mapping[str, float]
    findings: tuple[Finding, ...]
    evidence: str | None
    coverage: float | None
    was_flagged: bool
    verdict: str | None
    attempts: tuple[Attempt, ...]
    place: str | None
    local: tuple[str, ...]
    shots: tuple[ShotNote, ...]
    error: str | None
    output: str | None
    picture: str | None


def explain(run: Run, source: str) -> Explanation:
    """Gather what is known of a photo, and write RUN/explain/<source>.jpg: photo, output, heat map.

    Raises:
        UnknownSourceError: No such photo in the run; the sentence names those that are close.

    """
    report, tries = current_report(run)
    row = _find(report, source)
    mine = tries.filter(pc.equal(tries["source"], row["source"])).to_pylist()
    first = next((attempt for attempt in mine if attempt["decision"] == "first"), None)
    heat = heat_of(run, row, usual_of(run, report)) if row["output"] else None
    return Explanation(
        **_of_report(row),
        **_of_first(run, first),
        alpha=run.config.alpha,
        attempts=tuple(_attempt(attempt) for attempt in mine if attempt["decision"] != "first"),
        place=heat.place if heat else None,
        local=heat.words if heat else (),
        shots=shot_notes(run, first) if first else (),
        picture=_write_picture(run, row, heat),
    )


def next_step(found: Explanation, run: str) -> str:
    """What a person may do about it, in one sentence."""
    if found.status == "rejected":
        return "replace or repair the file, then run the same command again"
    if found.status is None:
        return "the run is not finished: run the same command again"
    if found.score_status is None:
        return f"it has no score yet: ganst score {run}"
    if found.score_status == "uncalibrated":
        return "calibrate the style, then score the run again: ganst calibrate --help"
    if found.status == "flagged":
        return f"ganst correct {run}, or say that it is good: ganst review import {run} FILE"
    if found.status == "quarantined":
        return _of_quarantined(found, run)
    if found.status == "corrected":
        return "compare the correction with the first output on the page; nothing has to be done"
    return "nothing has to be done"


def _of_quarantined(found: Explanation, run: str) -> str:
    if any(attempt.decision == "suggested" for attempt in found.attempts):
        return (
            "look at it and at the suggestion beside it, on the page; who takes one of them says"
            f" so there, or good or suggestion in a table: ganst review import {run} FILE"
        )
    return (
        f"look at it, and if it is good after all say so: ganst review import {run} FILE;"
        " else take another photo or another style"
    )


def _find(report: pa.Table, source: str) -> Row:
    names = report["source"].to_pylist()
    if source in names:
        return report.slice(names.index(source), 1).to_pylist()[0]
    ends = [name for name in names if name.endswith(f"/{source}")]
    if len(ends) == 1:
        return report.slice(names.index(ends[0]), 1).to_pylist()[0]
    close = ends[:3] or difflib.get_close_matches(source, names, n=3)
    hint = f": did you mean {' or '.join(close)}?" if close else "."
    raise UnknownSourceError(f"there is no photo {source} among the {len(names)} of the run{hint}")


def _of_report(row: Row) -> dict[str, Any]:
    names = ("source", "status", "was_flagged", "verdict", "evidence", "error", "output")
    return {name: row[name] for name in names} | {"p_delivered": row["p_anomaly"]}


def _of_first(run: Run, first: Row | None) -> dict[str, Any]:
    """What the first output was found to be; nothing of it where it was not scored."""
    row: Row = first or {}
    families = {name: row[f"p_{name}"] for name in FAMILIES if row.get(f"p_{name}") is not None}
    return {
        "reason": row.get("reason"),
        "reason_probability": row.get("reason_probability"),
        "score_status": row.get("score_status"),
        "p_anomaly": row.get("p_anomaly"),
        "coverage": row.get(_COVERAGE),
        "families": families,
        "findings": _findings(_calibration_of(run, row), row),
    }


def _calibration_of(run: Run, row: Row) -> Calibration | None:
    """The calibration that the row was judged by, if it is still the style's."""
    known = load_calibration(str(run.style_path))
    return known[0] if known and known[1] == row.get("calibration_id") else None


def _findings(calibration: Calibration | None, row: Row) -> tuple[Finding, ...]:
    if calibration is None or any(row.get(name) is None for name in _COLUMNS):
        return ()
    residuals = calibration.residuals({name: row[name] for name in _COLUMNS})
    return findings(np.asarray(residuals), JUDGED, _MOST_FINDINGS)


def _attempt(row: Row) -> Attempt:
    return Attempt(
        strategy=row["strategy"],
        decision=row["decision"],
        why=row["decision_reason"],
        p=row["p_anomaly"],
    )


def _write_picture(run: Run, row: Row, heat: Heat | None) -> str | None:
    """The strip as a JPEG file in the run; None where there is nothing to show."""
    pictures = _pictures(run, row, heat)
    if not pictures:
        return None
    buffer = io.BytesIO()
    draw_strip(pictures, row["source"]).save(buffer, "JPEG", quality=90, optimize=True)
    path: UPath = storage.resolve_inside(run.folder.root / "explain", f"{row['source']}.jpg")
    storage.commit_bytes(path, buffer.getvalue())
    return str(path)


def _pictures(run: Run, row: Row, heat: Heat | None) -> Sequence[tuple[str, Image.Image]]:
    """Photo, first output, its heat map and the correction: those that there are, with labels."""
    found: list[tuple[str, Image.Image | None]] = []
    if row["output"]:
        first = thumbnails.first_output(run, row, _SIDE_PX)
        found += [("photo", thumbnails.photo(run, row, _SIDE_PX)), ("first output", first)]
        if first and heat:
            found.append((f"heat map: {heat.place}", painted(first, heat.heat)))
        if row["status"] == "corrected":
            found.append(("corrected", thumbnails.output(run, row, _SIDE_PX)))
        if row["suggestion"]:
            found.append(("suggested", thumbnails.suggestion(run, row, _SIDE_PX)))
    return [(label, picture) for label, picture in found if picture is not None]
