"""Correct: make flagged images again, score again, deliver what passes, quarantine what does not.

Order of writes for one image: the best of the refused is kept, the first output is copied aside, then
the delivered one is replaced or removed, and the rows that say so come last. Killed in between, the
next call does it again, with the same outcome.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from pipelines.attempts import table_of
from pipelines.candidates import (
    FlaggedImage,
    Row,
    Tried,
    all_refused,
    better,
    read_photo,
    try_ladder,
)
from pipelines.cluster import count_workers, shared_cluster
from pipelines.config import ComputeConfig
from pipelines.correction_budget import (
    CORRECTION_SHARE,
    FAILURES_IN_A_ROW,
    Allowance,
    allowance,
    budget,
    first_turns,
    next_wave,
    second_turns,
    size_of_wave,
    worst_first,
)
from pipelines.correction_plan import (
    CURRENT,
    current_attempts,
    is_settled,
    key_of_image,
    plan_corrections,
    stylized_pixels,
)
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.judging import OutputsJob, outputs_job
from pipelines.parquet import commit_table
from pipelines.placing import deliver, keep_suggestion, quarantine
from pipelines.progress import OnProgress, StageSummary
from pipelines.reviews import read_verdicts
from pipelines.run_columns import run_scale
from pipelines.runs import Run, RunFolder
from pipelines.selection import EVERYTHING, Selection, check_reasons
from pipelines.shards import Shard, ShardCount, plan_shards, run_shards
from pipelines.stylize import one_thread
from pipelines.stylized import read_stylized
from pipelines.summary import alarm_of

STAGE = "correct"
SYSTEMIC_SHARE = 0.3
SYSTEMIC_MIN = 20


def correct(
    run: Run,
    compute: ComputeConfig,
    on_progress: OnProgress | None = None,
    *,
    share: float = CORRECTION_SHARE,
    only: Selection = EVERYTHING,
) -> StageSummary:
    """Try the ladder of every flagged image that has neither a correction nor all its refusals.

    The worst come first, and what is left when `share` of the work of stylizing the run is spent
    stays flagged: `notes` says so. Where more than 30 % of at least 20 scored images are flagged,
    or all outputs have moved (`run_alarm`), nothing is started: that is a fault of the run, which
    image-by-image corrections would hide. `failed` then says so. `only`: some images of all.
    """
    began = time.monotonic()
    attempts = current_attempts(run)
    check_reasons(run, only)
    planned = only.of(plan_corrections(run, attempts, read_verdicts(run.folder)), attempts)
    images = worst_first(planned)
    settled = sum(is_settled(image, attempts) for image in images)
    fault = systemic_fault(attempts) if settled < len(images) else None
    work = (
        Work(failed=[fault])
        if fault
        else _work_through(run, images, _budget(run, share), compute, on_progress)
    )
    after = current_attempts(run)
    tried = work.tried.values()
    skipped = settled if fault else sum(is_settled(image, attempts) for image in tried)
    return StageSummary(
        stage=STAGE,
        total=len(images) if fault else len(tried),
        done=sum(is_settled(image, after) for image in tried) - (0 if fault else skipped),
        skipped=skipped,
        rejected=0,
        failed=tuple(work.failed),
        seconds=time.monotonic() - began,
        notes=work.notes,
    )


@dataclass(slots=True, kw_only=True)
class Work:
    """What a call did: images by source with the steps they were allowed, and shards that failed."""

    tried: dict[str, FlaggedImage] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def _work_through(
    run: Run,
    images: Sequence[FlaggedImage],
    allowed: float,
    compute: ComputeConfig,
    on_progress: OnProgress | None,
) -> Work:
    """Wave by wave, each with what the rows of those before it leave; one cluster for all of them."""
    work, made = Work(), _tries(run)
    job = _job_of(run) if images else outputs_job(run)
    size = size_of_wave(len(images))
    turns, reached = first_turns(images), 0
    with ExitStack() as running:
        shared = None
        for is_last in (False, True):
            turns += second_turns(images, made) if is_last else []
            while reached < len(turns):
                left = allowance(turns[:reached], made, allowed)
                num, wave = next_wave(turns[reached:], left, size)
                reached += num
                if shared is None and not all(is_settled(image, made) for image in wave):
                    shared = running.enter_context(shared_cluster(compute))
                work.failed += _run_wave(run, wave, made, job, shared or compute, on_progress)
                work.tried |= {image.row["source"]: image for image in wave}
                made = _tries(run)
    left = allowance(turns, made)
    work.notes = _notes(left, len(images) - len(work.tried), allowed)
    return work


def _budget(run: Run, share: float) -> float:
    return budget(stylized_pixels(read_stylized(run.folder)), run.precision, share)


def _job_of(run: Run) -> OutputsJob:
    """With what is usual in the run, where its photos have moved; first attempts alone say that."""
    firsts = [rows[0] for rows in current_attempts(run).values()]
    return replace(outputs_job(run), run_scale=run_scale(run, table_of(firsts)))


def _tries(run: Run) -> dict[str, list[Row]]:
    """What the budget and the end of a ladder are told by, read anew after every wave."""
    return current_attempts(run, *CURRENT, "strategy", "precision", "decision")


def _run_wave(
    run: Run,
    images: Sequence[FlaggedImage],
    attempts: Mapping[str, list[Row]],
    job: OutputsJob,
    compute: ComputeConfig,
    on_progress: OnProgress | None,
) -> tuple[str, ...]:
    plan = plan_shards(
        STAGE,
        images,
        key=key_of_image,
        committed={key_of_image(image) for image in images if is_settled(image, attempts)},
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    return run_shards(plan, compute, correct_shard, job, on_progress=on_progress)


def _notes(left: Allowance, num_untried: int, allowed: float) -> tuple[str, ...]:
    """What a person should know about images that stay flagged."""
    notes = [
        f"{name} was switched off: it failed {FAILURES_IN_A_ROW} times in a row"
        for name in sorted(left.switched_off)
    ]
    if num_untried:
        untried = "output was" if num_untried == 1 else "outputs were"
        notes.append(
            f"{num_untried} flagged {untried} not tried: corrections have cost as much as"
            f" stylizing {left.spent:.0f} megapixels, the budget is {allowed:.0f}"
        )
    return tuple(notes)


def systemic_fault(attempts: Mapping[str, list[Row]]) -> str | None:
    """One sentence where the run itself must be at fault: too much is flagged, or all has moved."""
    firsts = [rows[0] for rows in attempts.values() if rows[0]["score_status"] == "scored"]
    flagged = sum(row["flagged"] for row in firsts)
    alarm = alarm_of(firsts)
    is_too_much = len(firsts) >= SYSTEMIC_MIN and flagged > SYSTEMIC_SHARE * len(firsts)
    if not (is_too_much or alarm.stops_correction):
        return None
    found = f"{flagged} of {len(firsts)} outputs are flagged"
    if is_too_much:
        found += f", over {SYSTEMIC_SHARE:.0%}"
    why = alarm.sentence or "check the style, its calibration and the photos first"
    return f"correction was not started: {found}: {why}"


def correct_shard(shard: Shard[FlaggedImage], job: OutputsJob) -> ShardCount:
    """Correct every image of the shard, then commit the rows of all candidates."""
    folder = job.folder
    with one_thread():
        rows = [row for image in shard.items for row in _correct_image(image, job, folder)]
    commit_table(folder.attempts / shard.part, table_of(rows))
    return ShardCount(len(shard.items))


def _correct_image(image: FlaggedImage, job: OutputsJob, folder: RunFolder) -> list[Row]:
    """Try the ladder until a candidate is accepted; deliver it, or quarantine the first output."""
    try:
        photo = read_photo(image.row, job)
    except (StaleSourceError, UndecodableImageError) as error:
        return all_refused(image, f"the photo cannot be read: {error}")
    rows: list[Row] = []
    best: Tried | None = None
    for index, tried in enumerate(try_ladder(image, photo, job, folder)):
        best = better(best, tried)
        if index < image.behind:
            continue
        rows.append(tried.row)
        if tried.row["decision"] == "accepted" and tried.candidate:
            deliver(folder, image.row, tried.candidate.data)
            return rows
    if best is not None and best.candidate:
        best.row["decision"] = "suggested"
        keep_suggestion(folder, best.row, best.candidate.data)
    quarantine(folder, image.row)
    return rows
