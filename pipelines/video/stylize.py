"""Stylize the clips of a run: look through each, stylize its segments, join them.

A segment is a shard: its file first, its row last. A clip is done when its row stands among those of
stylized photos. Killed anywhere, the same command does the segments that have no row.
"""

import time
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from pipelines.breadcrumbs import KILLED, find_killers, leave_trail
from pipelines.cluster import count_workers, shared_cluster
from pipelines.config import ComputeConfig
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.parquet import commit_table, read_parts
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, RunFolder
from pipelines.schema import SEGMENTS, STYLIZED
from pipelines.shards import Key, Shard, ShardCount, count_in, plan_shards, row_keys, run_shards
from pipelines.stylize import one_thread
from pipelines.stylized import STAGE as PHOTOS_STAGE
from pipelines.stylized import made_row, read_stylized, rejected_row
from pipelines.video.clips import (
    Clip,
    ClipJob,
    Row,
    Segment,
    clip_job,
    key_of_clip,
    key_of_segment,
    load_plan,
    plan_clips,
    plan_path,
    segment_path,
    segments_of,
)
from pipelines.video.digest import check_digest, digest_of
from pipelines.video.plan import ClipPlan, write_plan
from pipelines.video.rendering import first_manner, join_clip, source_of, write_pieces
from pipelines.video.scan import scan_clip

STAGE = "video"
SCAN = "look at clips"  # for the progress alone
_REJECTS = (UndecodableImageError, UnstylizableImageError)


def stylize_clips(
    run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Make the first output of every clip of the catalog that has none."""
    began = time.monotonic()
    clips = plan_clips(run)
    before, frames_before = _finished(run.folder), _num_frames(run.folder)
    waiting = [clip for clip in clips if key_of_clip(clip) not in before]
    failed: tuple[str, ...] = ()
    if waiting:
        with shared_cluster(compute) as shared:
            failed = _work_through(run, waiting, shared, on_progress)
    after = _finished(run.folder)
    fresh = {key_of_clip(clip) for clip in waiting}
    states = [after[key] for key in map(key_of_clip, clips) if key in after]
    return StageSummary(
        stage=STAGE,
        total=len(clips),
        done=len(states) - (len(clips) - len(waiting)),
        skipped=len(clips) - len(waiting),
        rejected=states.count("rejected"),
        failed=failed,
        seconds=time.monotonic() - began,
        notes=_notes(run.folder, fresh),
        frames=_num_frames(run.folder) - frames_before,
    )


def _work_through(
    run: Run, clips: Sequence[Clip], compute: ComputeConfig, on_progress: OnProgress | None
) -> tuple[str, ...]:
    job, workers = clip_job(run), count_workers(compute)
    unseen = [clip for clip in clips if not plan_path(run.folder, clip.attempt_id).exists()]
    scans = plan_shards(SCAN, unseen, key=key_of_clip, committed=(), shard_size=1, workers=workers)
    scans = count_in("clips", scans, lambda _: 1)
    failed = run_shards(scans, compute, scan_shard, job, on_progress=on_progress)
    segments = list(_segments(run.folder, clips))
    plan = plan_shards(
        STAGE,
        segments,
        key=key_of_segment,
        committed=_segment_status(run.folder).keys(),
        shard_size=1,
        workers=workers,
    )
    plan = count_in("frames", plan, lambda segment: segment.frames)
    failed += run_shards(plan, compute, segment_shard, job, on_progress=on_progress)
    joins = plan_shards(
        STAGE,
        list(_complete(run.folder, clips)),
        key=key_of_clip,
        committed=_finished(run.folder).keys(),
        shard_size=1,
        workers=workers,
    )
    return failed + run_shards(joins, compute, join_shard, job)


def scan_shard(shard: Shard[Clip], job: ClipJob) -> ShardCount:
    """Plan the work on each clip; one that is damaged gets its last row here."""
    parts = job.folder.stage(STAGE)
    killers = find_killers(parts, shard.name, job.call)
    with leave_trail(parts, shard.name, job.call) as step:
        for clip in shard.items:
            step(clip.source)
            error = KILLED if clip.source in killers else _scan(clip, job)
            if error:
                _commit(job, shard.part, rejected_row(clip, job, error))
    return ShardCount(len(shard.items))


def segment_shard(shard: Shard[Segment], job: ClipJob) -> ShardCount:
    """Stylize the segments of the shard, each a file, then commit their rows."""
    parts = job.folder.stage(STAGE)
    killers = find_killers(parts, shard.name, job.call)
    with one_thread(), leave_trail(parts, shard.name, job.call) as step:
        rows = []
        for segment in shard.items:
            name = "#".join(key_of_segment(segment))
            step(name)
            rows.append(_segment_row(segment, job, KILLED if name in killers else None))
    commit_table(parts / shard.part, pa.Table.from_pylist(rows, schema=SEGMENTS))
    return ShardCount(sum(segment.frames for segment in shard.items))


def join_shard(shard: Shard[Clip], job: ClipJob) -> ShardCount:
    """Join the segments of each clip, or reject it for what is wrong with one; commit its row."""
    status = _segment_status(job.folder)
    for clip in shard.items:
        plan = load_plan(job.folder, clip.attempt_id)
        assert plan is not None, "only scanned clips are joined"
        keys = map(key_of_segment, segments_of(clip, plan))
        errors = [error for key in keys if (error := status[key])]
        row = rejected_row(clip, job, errors[0]) if errors else _joined(clip, plan, job)
        _commit(job, shard.part, row)
    return ShardCount(0)


def _scan(clip: Clip, job: ClipJob) -> str | None:
    """Write the clip's plan; gives what is wrong with it, if anything is."""
    path = source_of(clip, job)
    try:
        check_digest(path, clip.source_sha256)
        plan = scan_clip(path, clip.format, job.max_side)
    except (*_REJECTS, StaleSourceError) as error:
        return str(error)
    write_plan(plan_path(job.folder, clip.attempt_id), plan)
    return None


def _segment_row(segment: Segment, job: ClipJob, error: str | None) -> Row:
    plan = load_plan(job.folder, segment.clip.attempt_id)
    assert plan is not None, "only scanned clips have segments"
    numbers = plan.segment(segment.number)
    if error is None:
        error = _stylize_segment(segment, plan, job)
    return {
        "source": segment.clip.source,
        "attempt_id": segment.clip.attempt_id,
        "segment": segment.number,
        "frames": len(numbers),
        "status": "rejected" if error else "ok",
        "error": error,
    }


def _stylize_segment(segment: Segment, plan: ClipPlan, job: ClipJob) -> str | None:
    """Write the segment's file; gives what is wrong with the clip, if anything is."""
    path = segment_path(job.folder, segment.clip.attempt_id, segment.number)
    try:
        write_pieces(path, plan.pieces(segment.number), segment.clip, plan, job, first_manner(job))
    except _REJECTS as error:
        return str(error)
    return None


def _joined(clip: Clip, plan: ClipPlan, job: ClipJob) -> Row:
    path = job.folder.images(clip.output)
    try:
        notes = join_clip(path, clip, plan, job)
    except _REJECTS as error:
        return rejected_row(clip, job, str(error))
    return made_row(clip, job) | {
        "output": clip.output,
        "output_sha256": digest_of(path),
        "width": plan.width,
        "height": plan.height,
        "status": "ok",
        "note": "; ".join(notes) or None,
    }


def _segments(folder: RunFolder, clips: Sequence[Clip]) -> Iterator[Segment]:
    """Of the clips that have been scanned. Clips of equal bytes write the same files twice."""
    for clip in clips:
        if plan := load_plan(folder, clip.attempt_id):
            yield from segments_of(clip, plan)


def _complete(folder: RunFolder, clips: Sequence[Clip]) -> Iterator[Clip]:
    status = _segment_status(folder)
    for clip in clips:
        segments = list(_segments(folder, [clip]))
        if segments and all(key_of_segment(segment) in status for segment in segments):
            yield clip


def _segment_status(folder: RunFolder) -> dict[Key, str | None]:
    """The error of every segment that has a row; None: it is there."""
    rows = read_parts(folder.stage(STAGE), SEGMENTS).to_pylist()
    return {
        (row["source"], row["attempt_id"], f"{row['segment']:06d}"): row["error"] for row in rows
    }


def _num_frames(folder: RunFolder) -> int:
    """Frames of all segments that are there."""
    return sum(read_parts(folder.stage(STAGE), SEGMENTS)["frames"].to_pylist())


def _finished(folder: RunFolder) -> dict[Key, str]:
    table = read_stylized(folder)
    return dict(zip(row_keys(table), table["status"].to_pylist(), strict=True))


def _notes(folder: RunFolder, keys: Collection[Key]) -> tuple[str, ...]:
    """What was left out of the clips of this call."""
    table = read_stylized(folder).to_pylist()
    noted = (row for row in table if row["note"] and (row["source"], row["attempt_id"]) in keys)
    return tuple(f"{row['source']}: {row['note']}" for row in noted)


def _commit(job: ClipJob, part: str, row: Row) -> None:
    commit_table(
        job.folder.stage(PHOTOS_STAGE) / part, pa.Table.from_pylist([row], schema=STYLIZED)
    )
