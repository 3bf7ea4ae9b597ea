"""What the page shows of clips: how long they are, and their shots."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pipelines.video.clips import load_plan
from pipelines.video.shots import read_shots
from pipelines.video.signature import is_clip_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.runs import Run
    from pipelines.video.plan import ClipPlan

    Row = Mapping[str, Any]


def clip_values(run: Run, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """By source: seconds, and start, stop, p, flagged and reason of each shot; of clips alone.

    Without scores there are no p-values, but the shots are there.
    """
    clips = [row for row in rows if row["output"] and is_clip_output(row["output"])]
    if not clips:
        return {}
    scored: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for shot in read_shots(run.folder).to_pylist():
        scored[shot["source"], shot["attempt_id"]].append(shot)
    found = {}
    for row in clips:
        plan = load_plan(run.folder, row["attempt_id"])
        if plan is None:
            continue
        judged = scored.get((row["source"], row["attempt_id"]))
        found[row["source"]] = {
            "seconds": round(plan.seconds(plan.num_frames), 3),
            "shots": [_judged(shot) for shot in judged]
            if judged
            else [_unjudged(plan, number) for number in range(len(plan.shots))],
        }
    return found


def _judged(shot: Row) -> list[Any]:
    p = float(f"{shot['p_anomaly']:.4g}")
    start, stop = round(shot["start_s"], 3), round(shot["stop_s"], 3)
    return [start, stop, p, shot["flagged"], shot["reason"]]


def _unjudged(plan: ClipPlan, number: int) -> list[Any]:
    frames = plan.shot(number)
    return [round(plan.seconds(at), 3) for at in (frames.start, frames.stop)] + [None, False, None]
