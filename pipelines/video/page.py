"""What the page shows of clips: how long they are, and their shots."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pipelines.video.clips import load_plan
from pipelines.video.shots import read_shots, read_tries
from pipelines.video.signature import is_clip_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.runs import Run
    from pipelines.video.plan import ClipPlan

    Row = Mapping[str, Any]


def clip_values(run: Run, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By source: seconds, and start, stop, p, flagged, reason and strategy of each shot; of clips alone.

    Without scores there are no p-values, but the shots are there. A strategy has a shot that was
    made again; its reason is then what it was flagged for.
    """
    clips = [row for row in rows if row["output"] and is_clip_output(row["output"])]
    if not clips:
        return {}
    scored: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for shot in read_shots(run.folder).to_pylist():
        scored[shot["source"], shot["attempt_id"]].append(shot)
    mended = _mended(run)
    found = {}
    for row in clips:
        judged = scored.get((row["source"], row["attempt_id"]))
        again = mended.get(row["source"], {}) if row["status"] == "corrected" else {}
        shots = (
            [_judged(shot, again.get(shot["shot"])) for shot in judged]
            if judged
            else _unjudged(load_plan(run.folder, row["attempt_id"]))
        )
        if shots:
            found[row["source"]] = {"seconds": shots[-1][1], "shots": shots}
    return found


def _mended(run: Run) -> dict[str, dict[int, Row]]:
    """By source and shot: the accepted tries, with the reason that the shot was flagged for."""
    tries = [row for row in read_tries(run.folder).values() if row["decision"] == "accepted"]
    if not tries:
        return {}
    reasons = {
        (shot["source"], shot["attempt_id"], shot["shot"]): shot["reason"]
        for shot in read_shots(run.folder).to_pylist()
    }
    found: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in tries:
        was = reasons.get((row["source"], row["parent_attempt_id"], row["shot"]))
        found[row["source"]][row["shot"]] = {"strategy": row["strategy"], "reason": was}
    return found


def _judged(shot: Row, again: Row | None) -> list[Any]:
    p = float(f"{shot['p_anomaly']:.4g}")
    start, stop = round(shot["start_s"], 3), round(shot["stop_s"], 3)
    reason = again["reason"] if again else shot["reason"]
    return [start, stop, p, shot["flagged"], reason, again["strategy"] if again else None]


def _unjudged(plan: ClipPlan | None) -> list[list[Any]]:
    if plan is None:
        return []
    shots = (plan.shot(number) for number in range(len(plan.shots)))
    times = ((plan.seconds(frames.start), plan.seconds(frames.stop)) for frames in shots)
    return [[round(start, 3), round(stop, 3), None, False, None, None] for start, stop in times]
