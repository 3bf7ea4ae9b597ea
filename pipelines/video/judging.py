"""A clip's output judged: one row a shot, and what they come to for the clip as a whole.

A clip is as bad as its worst shot: its p-value is the smallest of its shots' times their number. The
shots that make it so are those that are flagged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from upath import UPath

from ganst.scoring.canonical import UnsupportedImageError
from ganst.scoring.columns import COLUMN_NAMES, SCORER_VERSION
from ganst.video.shot_scale import FRAMES, REASONS, ShotScale
from pipelines.errors import GanstError, StaleSourceError, UndecodableImageError
from pipelines.judging import JUDGEMENT_FIELDS, load_calibration, unreadable_fields
from pipelines.run_folder import RunJob
from pipelines.runs import Run
from pipelines.shards import Key
from pipelines.storage import open_root, resolve_inside
from pipelines.video.clips import Clip
from pipelines.video.measuring import ShotMeter
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import Picture, decode_pictures, open_clip, to_pixels, video_stream
from pipelines.video.shot_calibration import ClipScope, ShotCalibration, load_shot_calibration
from pipelines.video.signature import clip_format_of_output

Row = dict[str, Any]


class OutputError(GanstError):
    """The output is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScoreJob(RunJob):
    """What a worker needs to know besides the clip."""

    style_path: str
    scope: ClipScope
    alpha: float


def clip_score_job(run: Run) -> ClipScoreJob:
    """The part of a run that travels."""
    known, config = load_calibration(str(run.style_path)), run.config
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


def judge_clip(
    clip: Clip, output: UPath, plan: ClipPlan, job: ClipScoreJob, attempt: str
) -> tuple[list[Row], Row]:
    """Rows of the shots of `output`, and the fields of the clip's row; no shots where it has no score."""
    empty = dict.fromkeys(("calibration_id", "score_status", *JUDGEMENT_FIELDS, *COLUMN_NAMES))
    row = empty | {"flagged": False}
    photos, shots = load_calibration(job.style_path), load_shot_calibration(job.style_path)
    refusal = _refusal(job, known=photos is not None, shots=shots)
    if refusal or photos is None or shots is None:
        return [], row | {"score_status": "uncalibrated", "evidence": refusal}
    row["calibration_id"] = photos[1]
    key = (clip.source, attempt)
    try:
        # One meter at a time: each holds its last frames.
        rows = [
            shot_row(key, plan, number, meter, shots.scale, job.alpha)
            for number, meter in enumerate(_measured(clip, output, plan, job, attempt))
        ]
    except OutputError as error:
        return [], row | unreadable_fields(str(error)) | {"calibration_id": photos[1]}
    except (UnsupportedImageError, UndecodableImageError, StaleSourceError) as error:
        return [], row | {"score_status": "unsupported", "evidence": str(error)}
    return rows, row | as_a_whole(rows, job.alpha)


def shot_row(
    key: Key, plan: ClipPlan, number: int, meter: ShotMeter, scale: ShotScale, alpha: float
) -> Row:
    """The row of a shot that has been measured; `key` is source and attempt."""
    frames, columns = plan.shot(number), meter.columns()
    p, score, column = scale.judge(columns, f"{key[1]}#{number}")
    assert meter.worst is not None, "a shot has at least one frame"
    is_flagged = p * len(plan.shots) <= alpha
    reason = meter.worst.reason if column == FRAMES else REASONS[column]
    frame_fields = {
        name: value for name, value in asdict(meter.worst).items() if name.startswith("p_")
    }
    return {
        "source": key[0],
        "attempt_id": key[1],
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


def as_a_whole(shots: Sequence[Row], alpha: float) -> Row:
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


def _measured(
    clip: Clip, output: UPath, plan: ClipPlan, job: ClipScoreJob, attempt: str
) -> Iterator[ShotMeter]:
    """A meter a shot, each fed with all frames of it."""
    known = load_calibration(job.style_path)
    assert known is not None, "only calibrated styles get here"
    pairs = _pairs(clip, output, plan, job)
    for number in range(len(plan.shots)):
        frames = plan.shot(number)
        meter = ShotMeter(
            calibration=known[0],
            frames_per_s=plan.frames_per_s,
            length=len(frames),
            key=f"{attempt}#{number}",
        )
        for _, (source, made) in zip(frames, pairs, strict=False):
            meter.add(source, made)
        yield meter


def _pairs(
    clip: Clip, output: UPath, plan: ClipPlan, job: ClipScoreJob
) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames of the source and of the output, in step, as many as are planned."""
    path = resolve_inside(open_root(job.photos), clip.source)
    size = (plan.width, plan.height)
    made = outputs_of(output, plan)
    with open_clip(path, clip.format) as container:
        sources = decode_pictures(container, video_stream(container))
        for _ in range(plan.num_frames):
            source = next(sources, None)
            if source is None:
                raise StaleSourceError("the clip is shorter than it was")
            yield to_pixels(source.frame, size), next(made)


def outputs_of(path: UPath, plan: ClipPlan) -> Iterator[Tensor]:
    """Frames of a written clip or shot, uint8 `[3, H, W]` in the size of the plan.

    Raises:
        OutputError: It is gone, cannot be decoded, or has too few frames or another size.

    """
    try:
        with open_clip(path, clip_format_of_output(path.name)) as container:
            for picture in decode_pictures(container, video_stream(container)):
                yield _cropped(picture, plan)
    except FileNotFoundError as error:
        raise OutputError("the output is not there") from error
    except UndecodableImageError as error:
        raise OutputError(f"the output cannot be decoded: {error}") from error
    raise OutputError("the output has fewer frames than its source")


def _cropped(picture: Picture, plan: ClipPlan) -> Tensor:
    """An odd side was made even by doubling its last line."""
    frame = picture.frame
    pixels = to_pixels(frame, (frame.width, frame.height))[:, : plan.height, : plan.width]
    if pixels.shape[1:] != (plan.height, plan.width):
        raise OutputError(f"the output is {frame.width} x {frame.height}, not of the clip's size")
    return pixels


def _evidence(column: str, columns: Row, of_frame: str) -> str:
    if column == FRAMES:
        return of_frame
    units = {"v_lum_drift": "levels a second", "v_stuck": "of all steps"}
    return f"{REASONS[column]}: {columns[column]:.2g} {units.get(column, 'levels')}"


def _refusal(job: ClipScoreJob, *, known: bool, shots: ShotCalibration | None) -> str | None:
    if not known:
        return "the style has no calibration"
    if shots is None:
        return "the style has no calibration for clips: ganst calibrate --clips makes one"
    return shots.scope.refuses(job.scope)
