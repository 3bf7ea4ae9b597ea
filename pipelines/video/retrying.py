"""A flagged shot made again: candidates in order, each read back and tried, until one is accepted."""

import json
from collections.abc import Iterator

import pyarrow as pa
from upath import UPath

from ganst.correction.acceptance import acceptance_level
from ganst.correction.bench import Bench
from ganst.scoring.canonical import UnsupportedImageError
from ganst.video.acceptance import try_shot
from ganst.video.shot_scale import COLUMNS
from ganst.video.strategies import ShotStrategy, shot_parameters
from pipelines.candidates import recompress
from pipelines.errors import StaleSourceError, UndecodableImageError, UnstylizableImageError
from pipelines.judging import load_calibration
from pipelines.parquet import commit_table
from pipelines.runs import RunFolder
from pipelines.schema import SHOT_TRIES
from pipelines.shards import Shard, ShardCount
from pipelines.stylize import one_thread
from pipelines.video.clips import ClipJob, Row, load_plan
from pipelines.video.correction_plan import FlaggedShot
from pipelines.video.frames import FrameReader
from pipelines.video.judging import ClipScoreJob, OutputError, outputs_of, shot_row
from pipelines.video.measuring import ShotMeter
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import open_clip
from pipelines.video.rendering import Manner, source_of, write_pieces
from pipelines.video.shot_calibration import load_shot_calibration
from pipelines.video.shots import TRIES
from pipelines.video.signature import SEGMENT_FORMAT

PRECISION = "fp32"
_CANNOT = (
    UndecodableImageError,
    UnstylizableImageError,
    UnsupportedImageError,
    StaleSourceError,
    OutputError,
)


def shot_path(folder: RunFolder, clip_attempt: str, attempt: str) -> UPath:
    """Where a shot that was made again lies."""
    return folder.clip(clip_attempt) / f"shot-{attempt}.{SEGMENT_FORMAT}"


def retry_shard(shard: Shard[FlaggedShot], job: ClipJob, judging: ClipScoreJob) -> ShardCount:
    """Try the steps of each shot; its file stays where one is accepted."""
    with one_thread():
        rows = [row for shot in shard.items for row in _try_steps(shot, job, judging)]
    commit_table(
        job.folder.stage(TRIES) / shard.part, pa.Table.from_pylist(rows, schema=SHOT_TRIES)
    )
    return ShardCount(sum(shot.row["frames"] for shot in shard.items))


def _try_steps(shot: FlaggedShot, job: ClipJob, judging: ClipScoreJob) -> Iterator[Row]:
    plan = load_plan(job.folder, shot.clip.attempt_id)
    assert plan is not None, "what is scored was scanned"
    for number, (attempt, _) in enumerate(shot.steps):
        row = _lineage(shot, number)
        path = shot_path(job.folder, shot.clip.attempt_id, attempt)
        try:
            row |= _tried(shot, number, path, plan, job, judging)
        except _CANNOT as error:
            row |= {"decision": "refused", "decision_reason": str(error)}
        yield row
        if row["decision"] == "accepted":
            return
        path.unlink(missing_ok=True)


def _tried(
    shot: FlaggedShot,
    number: int,
    path: UPath,
    plan: ClipPlan,
    job: ClipJob,
    judging: ClipScoreJob,
) -> Row:
    """Make the candidate's file and judge what it decodes to, as it would be delivered."""
    attempt, strategy = shot.steps[number]
    frames = plan.shot(shot.row["shot"])
    write_pieces(path, [(frames, frames)], shot.clip, plan, job, _manner(strategy, job))
    meter = _measured(shot, path, plan, job, attempt)
    known = load_shot_calibration(job.style_path)
    assert known is not None, "only calibrated clips are planned"
    judged = shot_row(
        (shot.clip.source, attempt), plan, shot.row["shot"], meter, known.scale, judging.alpha
    )
    verdict = try_shot(
        meter.columns(),
        {name: shot.row[name] for name in COLUMNS},
        known.scale,
        needed=acceptance_level(judging.alpha, number + 1),
        key=f"{attempt}#{shot.row['shot']}",
        objection=meter.objection,
    )
    kept = ("p_anomaly", "anomaly", "evidence", *COLUMNS)
    return {name: judged[name] for name in kept} | {
        "decision": "accepted" if verdict.accepted else "refused",
        "decision_reason": verdict.reason,
    }


def _measured(
    shot: FlaggedShot, path: UPath, plan: ClipPlan, job: ClipJob, attempt: str
) -> ShotMeter:
    known = load_calibration(job.style_path)
    assert known is not None, "only calibrated clips are planned"
    frames = plan.shot(shot.row["shot"])
    meter = ShotMeter(
        calibration=known[0],
        frames_per_s=plan.frames_per_s,
        length=len(frames),
        key=f"{attempt}#{shot.row['shot']}",
        bench=Bench(calibration=known[0], alpha=0.0, others=(), recompress=recompress, key=attempt),
    )
    outputs = outputs_of(path, plan)
    with open_clip(source_of(shot.clip, job), shot.clip.format) as container:
        for source in FrameReader(container, plan).frames(frames.start, frames.stop):
            meter.add(source, next(outputs))
    return meter


def _manner(strategy: ShotStrategy, job: ClipJob) -> Manner:
    return Manner(
        checkpoint=strategy.checkpoint,
        precision=PRECISION,
        strength=job.strength * strategy.strength,
        steadiness=strategy.steadiness,
    )


def _lineage(shot: FlaggedShot, number: int) -> Row:
    attempt, strategy = shot.steps[number]
    return dict.fromkeys(SHOT_TRIES.names) | {
        "source": shot.clip.source,
        "attempt_id": attempt,
        "parent_attempt_id": shot.clip.attempt_id,
        "attempt_no": 2 + number,
        "shot": shot.row["shot"],
        "strategy": strategy.name,
        "params": json.dumps(shot_parameters(strategy), sort_keys=True),
        "checkpoint": strategy.checkpoint,
        "precision": PRECISION,
    }
