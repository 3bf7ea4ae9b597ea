"""Score the clips of a run: one row a shot, and the clip's own row among the attempts."""

import pyarrow as pa

from pipelines.attempts import committed_attempts, lineage
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.parquet import commit_table
from pipelines.placing import first_output
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run
from pipelines.schema import SHOTS, attempts_schema
from pipelines.shards import Shard, ShardCount, count_in, plan_shards, run_shards, summarize
from pipelines.stylize import one_thread
from pipelines.stylized import read_stylized
from pipelines.video.clips import Clip, clip_params, key_of_clip, load_plan, plan_clips
from pipelines.video.digest import digest_of
from pipelines.video.judging import ClipScoreJob, Row, clip_score_job, judge_clip
from pipelines.video.shots import PARTS

STAGE = "score clips"


def score_clips(
    run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Score every first output of a clip that has no row yet."""
    made = {
        (row["source"], row["attempt_id"])
        for row in read_stylized(run.folder).to_pylist()
        if row["status"] == "ok"
    }
    clips = [clip for clip in plan_clips(run) if key_of_clip(clip) in made]
    plan = plan_shards(
        STAGE,
        clips,
        key=key_of_clip,
        committed=committed_attempts(run.folder),
        shard_size=1,
        workers=count_workers(compute),
    )
    shared = lineage(run, clip_params(run))
    job = clip_score_job(run)
    work = count_in("frames", plan, lambda clip: _num_frames(clip, job))
    failed = run_shards(work, compute, score_clip_shard, job, shared, on_progress=on_progress)
    committed = committed_attempts(run.folder)
    return summarize(
        plan, failed, committed=sum(key_of_clip(clip) in committed for clip in clips), rejected=0
    )


def score_clip_shard(shard: Shard[Clip], job: ClipScoreJob, shared: Row) -> ShardCount:
    """Score each clip of the shard: first the rows of its shots, then its own."""
    with one_thread():
        for clip in shard.items:
            shots, row = _score(clip, job)
            commit_table(
                job.folder.stage(PARTS) / shard.part, pa.Table.from_pylist(shots, schema=SHOTS)
            )
            commit_table(
                job.folder.attempts / shard.part,
                pa.Table.from_pylist([row | shared], schema=attempts_schema()),
            )
    return ShardCount(sum(_num_frames(clip, job) for clip in shard.items))


def _num_frames(clip: Clip, job: ClipScoreJob) -> int:
    plan = load_plan(job.folder, clip.attempt_id)
    return plan.num_frames if plan else 0


def _score(clip: Clip, job: ClipScoreJob) -> tuple[list[Row], Row]:
    plan = load_plan(job.folder, clip.attempt_id)
    assert plan is not None, "what is stylized was scanned"
    output = first_output(job.folder, clip.output)
    shots, fields = judge_clip(clip, output, plan, job, clip.attempt_id)
    return shots, fields | {
        "attempt_id": clip.attempt_id,
        "parent_attempt_id": None,
        "attempt_no": 1,
        "source": clip.source,
        "source_sha256": clip.source_sha256,
        "group": clip.group,
        "output": clip.output,
        "output_sha256": digest_of(output) if output.exists() else None,
        "strategy": None,
        "checkpoint": FIRST_CHECKPOINT,
        "decision": "first",
        "decision_reason": None,
    }
