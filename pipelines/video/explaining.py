"""What is to be said of a clip's shots when it is asked why it was flagged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.video.shots import read_shots, read_tries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.runs import Run

    Row = Mapping[str, Any]

_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotTry:
    """A shot made again: how, and what became of it."""

    strategy: str
    decision: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotNote:
    """A shot of the first output; `number` counts from 1, `tries` are in order."""

    number: int
    start_s: float
    stop_s: float
    p: float
    reason: str | None
    evidence: str
    tries: tuple[ShotTry, ...]


def shot_notes(run: Run, first: Row) -> tuple[ShotNote, ...]:
    """The flagged shots of a clip's first attempt, the worst first, or else the worst one; no clip, none."""
    key = (first["source"], first["attempt_id"])
    rows = [r for r in read_shots(run.folder).to_pylist() if (r["source"], r["attempt_id"]) == key]
    rows.sort(key=lambda row: (not row["flagged"], row["p_anomaly"], -row["anomaly"]))
    shown = [row for number, row in enumerate(rows) if number == 0 or row["flagged"]][:_MOST]
    tries = [
        row
        for row in read_tries(run.folder).values()
        if (row["source"], row["parent_attempt_id"]) == key
    ]
    return tuple(_note(row, [t for t in tries if t["shot"] == row["shot"]]) for row in shown)


def _note(row: Row, tries: list[dict[str, Any]]) -> ShotNote:
    ordered = sorted(tries, key=lambda one: one["attempt_no"])
    return ShotNote(
        number=row["shot"] + 1,
        start_s=row["start_s"],
        stop_s=row["stop_s"],
        p=row["p_anomaly"],
        reason=row["reason"],
        evidence=row["evidence"],
        tries=tuple(
            ShotTry(strategy=t["strategy"], decision=t["decision"], why=t["decision_reason"])
            for t in ordered
        ),
    )
