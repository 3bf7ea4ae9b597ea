"""Score the clips of a run: one row a shot, and the clip's own row among the attempts.

A clip is as bad as its worst shot: its p-value is the smallest of its shots' times their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from torch import Tensor

from ganst.scoring.canonical import UnsupportedImageError
from ganst.scoring.columns import COLUMN_NAMES, SCORER_VERSION
from ganst.video.shot_scale import FRAMES, REASONS, ShotScale
from pipelines.attempts import committed_attempts, lineage
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.judging import JUDGEMENT_FIELDS, load_calibration
from pipelines.parquet import commit_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder
from pipelines.schema import SHOTS, attempts_schema
from pipelines.shards import Shard, ShardCount, plan_shards, run_shards, summarize
from pipelines.storage import open_root, resolve_inside
from pipelines.stylize import one_thread
from pipelines.stylized import read_stylized
from pipelines.video.clips import Clip, clip_params, key_of_clip, load_plan, plan_clips
from pipelines.video.digest import digest_of
from pipelines.video.measuring import ShotMeter
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import decode_pictures, open_clip, to_pixels, video_stream
from pipelines.video.shot_calibration import ClipScope, ShotCalibration, load_shot_calibration
from pipelines.video.shots import PARTS
from pipelines.video.signature import clip_format_of_output

STAGE = "score"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScoreJob:
    """What a worker needs to know besides the clip."""

    photos: str
    run: str
    style_path: str
    scope: ClipScope
    alpha: float

    @property
    def folder(self) -> RunFolder:
        """The RUN folder."""
        return RunFolder(open_root(self.run))


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
    failed = run_shards(plan, compute, score_clip_shard, _job(run), shared, on_progress=on_progress)
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
    return ShardCount(len(shard.items))


def _score(clip: Clip, job: ClipScoreJob) -> tuple[list[Row], Row]:
    row = _clip_row(clip, job)
    photos, shots = load_calibration(job.style_path), load_shot_calibration(job.style_path)
    refusal = _refusal(job, known=photos is not None, shots=shots)
    if refusal or photos is None or shots is None:
        return [], row | {"score_status": "uncalibrated", "evidence": refusal}
    row["calibration_id"] = photos[1]
    plan = load_plan(job.folder, clip.attempt_id)
    assert plan is not None, "what is stylized was scanned"
    try:
        meters = list(_measured(clip, plan, job))
    except (UnsupportedImageError, UndecodableImageError, StaleSourceError) as error:
        return [], row | {"score_status": "unsupported", "evidence": str(error)}
    rows = [
        _shot_row(clip, plan, number, meter, shots.scale, job.alpha)
        for number, meter in enumerate(meters)
    ]
    return rows, row | _as_a_whole(rows, job.alpha)


def _measured(clip: Clip, plan: ClipPlan, job: ClipScoreJob) -> Iterator[ShotMeter]:
    """A meter a shot, each fed with all frames of it."""
    known = load_calibration(job.style_path)
    assert known is not None, "only calibrated styles get here"
    pairs = _pairs(clip, plan, job)
    for number in range(len(plan.shots)):
        frames = plan.shot(number)
        meter = ShotMeter(
            calibration=known[0],
            frames_per_s=plan.frames_per_s,
            length=len(frames),
            key=f"{clip.attempt_id}#{number}",
        )
        for _, (source, output) in zip(frames, pairs, strict=False):
            meter.add(source, output)
        yield meter


def _pairs(clip: Clip, plan: ClipPlan, job: ClipScoreJob) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames of the source and of the delivered file, in step."""
    path = resolve_inside(open_root(job.photos), clip.source)
    output = job.folder.images(clip.output)
    size = (plan.width, plan.height)
    with (
        open_clip(path, clip.format) as before,
        open_clip(output, clip_format_of_output(clip.output)) as after,
    ):
        sources = decode_pictures(before, video_stream(before))
        outputs = decode_pictures(after, video_stream(after))
        for source, made in zip(sources, outputs, strict=True):
            pixels = to_pixels(made.frame, (made.frame.width, made.frame.height))
            # An odd side was made even by doubling its last line.
            yield to_pixels(source.frame, size), pixels[:, : plan.height, : plan.width]


def _shot_row(
    clip: Clip, plan: ClipPlan, number: int, meter: ShotMeter, scale: ShotScale, alpha: float
) -> Row:
    frames, columns = plan.shot(number), meter.columns()
    p, score, column = scale.judge(columns, f"{clip.attempt_id}#{number}")
    assert meter.worst is not None, "a shot has at least one frame"
    is_flagged = p <= alpha
    reason = meter.worst.reason if column == FRAMES else REASONS[column]
    frame_fields = {
        name: value for name, value in asdict(meter.worst).items() if name.startswith("p_")
    }
    return {
        "source": clip.source,
        "attempt_id": clip.attempt_id,
        "shot": number,
        "start_s": plan.seconds(frames.start),
        "stop_s": plan.seconds(frames.stop),
        "frames": len(frames),
        **frame_fields,
        "p_frame": meter.worst.p_anomaly,
        "p_anomaly": p,
        "anomaly": score,
        "flagged": is_flagged,
        "reason": reason if is_flagged else None,
        "evidence": _evidence(column, columns, meter.worst.evidence),
        **columns,
    }


def _evidence(column: str, columns: Row, of_frame: str) -> str:
    if column == FRAMES:
        return of_frame
    units = {"v_lum_drift": "levels a second", "v_stuck": "of all steps"}
    return f"{REASONS[column]}: {columns[column]:.2g} {units.get(column, 'levels')}"


def _as_a_whole(shots: Sequence[Row], alpha: float) -> Row:
    """The judgement of a clip by its shots; families are those of the worst shot's worst frame."""
    worst = min(shots, key=lambda row: (row["p_anomaly"], -row["anomaly"]))
    p = min(1.0, len(shots) * worst["p_anomaly"])
    is_flagged = p <= alpha
    kept = {name: worst[name] for name in JUDGEMENT_FIELDS if name in worst}
    where = f"at {worst['start_s']:.1f} s: " if len(shots) > 1 else ""
    return kept | {
        "score_status": "scored",
        "p_anomaly": p,
        "flagged": is_flagged,
        "reason": worst["reason"] if is_flagged else None,
        "evidence": where + worst["evidence"],
    }


def _clip_row(clip: Clip, job: ClipScoreJob) -> Row:
    empty = dict.fromkeys(("calibration_id", "score_status", *JUDGEMENT_FIELDS, *COLUMN_NAMES))
    return empty | {
        "attempt_id": clip.attempt_id,
        "parent_attempt_id": None,
        "attempt_no": 1,
        "source": clip.source,
        "source_sha256": clip.source_sha256,
        "group": clip.group,
        "output": clip.output,
        "output_sha256": digest_of(job.folder.images(clip.output)),
        "strategy": None,
        "checkpoint": FIRST_CHECKPOINT,
        "decision": "first",
        "decision_reason": None,
        "flagged": False,
    }


def _refusal(job: ClipScoreJob, *, known: bool, shots: ShotCalibration | None) -> str | None:
    if not known:
        return "the style has no calibration"
    if shots is None:
        return "the style has no calibration for clips: ganst calibrate --clips makes one"
    return shots.scope.refuses(job.scope)


def _job(run: Run) -> ClipScoreJob:
    known = load_calibration(str(run.style_path))
    config = run.config
    return ClipScoreJob(
        photos=str(run.photos),
        run=str(run.folder.root),
        style_path=str(run.style_path),
        alpha=config.alpha,
        scope=ClipScope(
            style_digest=run.pack.digest,
            calibration_id=known[1] if known else "",
            scorer_version=SCORER_VERSION,
            steady=config.steady,
            strength=config.strength,
            worst_quality=config.video_quality,
        ),
    )
