"""Correct clips: only flagged shots are made again; the clip is joined anew of what is there.

A shot is a shard: the file of an accepted candidate first, the rows of all tries last. Then each
clip whose shots are settled: the joined file is judged as a whole, the first output is copied aside,
the delivered one replaced in one step or removed, and the rows that say so come last.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.cluster import count_workers, shared_cluster
from pipelines.config import ComputeConfig
from pipelines.correct import STAGE, systemic_fault
from pipelines.correction_budget import CORRECTION_SHARE
from pipelines.correction_plan import current_attempts
from pipelines.progress import OnProgress, StageSummary
from pipelines.reviews import read_verdicts
from pipelines.runs import Run
from pipelines.selection import EVERYTHING, Selection
from pipelines.shards import Key, count_in, plan_shards, run_shards
from pipelines.video.clips import clip_job, clip_params, key_of_clip, load_plan
from pipelines.video.correction_plan import (
    FlaggedClip,
    is_shot_settled,
    key_of_shot,
    plan_clip_corrections,
    tries_at,
)
from pipelines.video.judging import clip_score_job
from pipelines.video.rejoining import Rejoining, rejoin_shard, rejoining_id
from pipelines.video.retrying import retry_shard
from pipelines.video.shots import read_tries

WORK = "correct clips"  # for the progress alone
SMALLEST_BUDGET = 5000.0  # stylizations of frames: a small run tries everything on its few shots


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The clips that the budget reaches, and a sentence where it does not reach all."""

    clips: tuple[FlaggedClip, ...]
    notes: tuple[str, ...] = ()


def correct_clips(
    run: Run,
    compute: ComputeConfig,
    on_progress: OnProgress | None = None,
    *,
    share: float = CORRECTION_SHARE,
    only: Selection = EVERYTHING,
) -> StageSummary:
    """Try the flagged shots of every flagged clip that has not been settled; see `correct`.

    A clip is corrected when each of its flagged shots was made better and the joined clip is not
    flagged; otherwise its first output goes into quarantine. `share`: of the work of stylizing the
    run's clips, by frames.
    """
    began = time.monotonic()
    flagged = plan_clip_corrections(run, read_verdicts(run.folder), only)
    before = _settled(run)
    waiting = [one for one in flagged if key_of_clip(one.clip) not in before]
    fault = systemic_fault(current_attempts(run, clips=True)) if waiting else None
    reached = _within(run, flagged, share)
    failed: tuple[str, ...] = (fault,) if fault else ()
    if waiting and not fault:
        todo = [one for one in reached.clips if key_of_clip(one.clip) not in before]
        with shared_cluster(compute) as shared:
            failed = _work_through(run, todo, shared, on_progress)
    after = _settled(run)
    return StageSummary(
        stage=STAGE,
        total=len(flagged),
        done=sum(key_of_clip(one.clip) in after for one in waiting),
        skipped=len(flagged) - len(waiting),
        rejected=0,
        failed=failed,
        seconds=time.monotonic() - began,
        notes=reached.notes,
    )


def _work_through(
    run: Run, clips: Sequence[FlaggedClip], compute: ComputeConfig, on_progress: OnProgress | None
) -> tuple[str, ...]:
    job, judging, workers = clip_job(run), clip_score_job(run), count_workers(compute)
    tries = read_tries(run.folder)
    shots = plan_shards(
        WORK,
        [shot for one in clips for shot in one.shots],
        key=key_of_shot,
        committed={key_of_shot(s) for one in clips for s in one.shots if is_shot_settled(s, tries)},
        shard_size=1,
        workers=workers,
    )
    shots = count_in("frames", shots, lambda shot: shot.row["frames"])
    failed = run_shards(shots, compute, retry_shard, job, judging, on_progress=on_progress)
    joins = plan_shards(
        WORK,
        _rejoinings(run, clips),
        key=_key_of_rejoining,
        committed=(),
        shard_size=1,
        workers=workers,
    )
    return failed + run_shards(joins, compute, rejoin_shard, job, judging)


def _rejoinings(run: Run, clips: Sequence[FlaggedClip]) -> list[Rejoining]:
    """Of the clips whose shots are all settled."""
    tries = read_tries(run.folder)
    found = []
    for one in clips:
        if all(is_shot_settled(shot, tries) for shot in one.shots):
            last = tuple(tries_at(shot, tries)[-1] for shot in one.shots if shot.steps)
            found.append(
                Rejoining(
                    clip=one.clip,
                    row=one.row,
                    tries=last,
                    attempt_id=rejoining_id(run, one.row, clip_params(run), last),
                )
            )
    return found


def _within(run: Run, flagged: Sequence[FlaggedClip], share: float) -> Share:
    """Clips in their order until what trying everything on them may cost is beyond the budget.

    Counted are those that were settled before, too: a second call goes no further.
    """
    frames = 0
    for rows in current_attempts(run, clips=True).values():
        plan = load_plan(run.folder, rows[0]["attempt_id"])
        frames += plan.num_frames if plan else 0
    allowed = max(share * frames, SMALLEST_BUDGET) if share else 0.0
    spent, reached = 0.0, []
    for one in flagged:
        if spent >= allowed:
            break
        spent += sum(shot.cost for shot in one.shots)
        reached.append(one)
    left = len(flagged) - len(reached)
    note = (
        f"{left} flagged clips were not tried: corrections may cost as much as stylizing"
        f" {allowed:.0f} frames"
    )
    return Share(clips=tuple(reached), notes=(note,) if left else ())


def _settled(run: Run) -> set[Key]:
    """Clips, by source and first attempt, that were joined again or given up."""
    return {
        (row["source"], row["parent_attempt_id"])
        for rows in current_attempts(run, clips=True).values()
        for row in rows
        if row["decision"] != "first"
    }


def _key_of_rejoining(rejoining: Rejoining) -> Key:
    return (*key_of_clip(rejoining.clip), "rejoin", rejoining.attempt_id)
