"""Which clips a run has, how the work on one is named, and what travels to the workers."""

from dataclasses import dataclass
from typing import Any

from upath import UPath

from ganst.scoring.columns import SCORER_VERSION
from pipelines.delivery import delivery_of
from pipelines.parquet import read_table
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder, attempt_id
from pipelines.schema import CATALOG
from pipelines.shards import Key
from pipelines.style_job import StyleJob, style_fields
from pipelines.video.plan import ClipPlan, read_plan
from pipelines.video.signature import VIDEO

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Clip:
    """A clip to be stylized: this source to that output."""

    source: str
    source_sha256: str
    attempt_id: str
    output: str
    format: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Segment:
    """A segment of a clip, of so many frames."""

    clip: Clip
    number: int
    frames: int


def segments_of(clip: Clip, plan: ClipPlan) -> list[Segment]:
    """All of a clip, in order."""
    numbers = range(len(plan.segments))
    return [Segment(clip=clip, number=n, frames=len(plan.segment(n))) for n in numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipJob(StyleJob):
    """What a worker needs to know besides its clip or segment."""

    quality: int
    steady: bool
    strip_location: bool
    software: str


def clip_job(run: Run) -> ClipJob:
    """The part of a run that travels."""
    config = run.config
    return ClipJob(
        **style_fields(run),
        quality=config.video_quality,
        steady=config.steady,
        strip_location=config.strip_location,
        software=delivery_of(run).software,
    )


def plan_clips(run: Run) -> list[Clip]:
    """The clips that the catalog holds now."""
    rows = read_table(run.folder.catalog, CATALOG).to_pylist()
    return [
        Clip(
            source=row["source"],
            source_sha256=row["sha256"],
            attempt_id=clip_attempt_id(run, row["sha256"]),
            output=row["output"],
            format=row["format"],
            group=row["group"],
        )
        for row in rows
        if row["status"] == "ok" and row["mode"] == VIDEO
    ]


def clip_params(run: Run) -> dict[str, Any]:
    """The parameters of a first attempt at a clip."""
    config = run.config
    return {
        "checkpoint": FIRST_CHECKPOINT,
        "precision": run.precision,
        "strength": config.strength,
        "max_side": config.max_side,
        "video_quality": config.video_quality,
        "steady": config.steady,
        "strip_location": config.strip_location,
        "memory_mb": config.memory_mb,
    }


def clip_attempt_id(run: Run, source_sha256: str) -> str:
    """The id of the first attempt at a clip."""
    return attempt_id(
        source_sha256=source_sha256,
        style_digest=run.pack.digest,
        strategy=None,
        params=clip_params(run),
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def key_of_clip(clip: Clip) -> Key:
    """What names its row in every table."""
    return (clip.source, clip.attempt_id)


def key_of_segment(segment: Segment) -> Key:
    """What names a segment's row."""
    return (*key_of_clip(segment.clip), f"{segment.number:06d}")


def plan_path(folder: RunFolder, attempt: str) -> UPath:
    """Where a clip's plan lies. Clips of equal bytes share it, and their segments."""
    return folder.clip(attempt) / "plan.json"


def segment_path(folder: RunFolder, attempt: str, number: int) -> UPath:
    """Where a finished segment lies."""
    return folder.clip(attempt) / f"segment-{number:06d}.nut"


def load_plan(folder: RunFolder, attempt: str) -> ClipPlan | None:
    """The plan of a clip, if it has been scanned."""
    path = plan_path(folder, attempt)
    return read_plan(path) if path.exists() else None
