"""Clips beside photos in the stages of a run; without a clip nothing of FFmpeg is loaded."""

from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from pipelines.config import ComputeConfig
from pipelines.parquet import columns_of, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run
from pipelines.schema import CATALOG
from pipelines.video.signature import VIDEO


def has_clips(run: Run) -> bool:
    """Whether the catalog holds a clip."""
    modes = read_table(run.folder.catalog, columns_of(CATALOG, "mode"))["mode"]
    return bool(pc.any(pc.equal(modes, VIDEO)).as_py())


def with_stylized_clips(
    photos: StageSummary, run: Run, compute: ComputeConfig, on_progress: OnProgress | None
) -> StageSummary:
    """Stylize the run's clips too; gives the summary of both."""
    if not has_clips(run):
        return photos
    from pipelines.video.stylize import stylize_clips

    return _both(photos, stylize_clips(run, compute, on_progress))


def with_scored_clips(
    photos: StageSummary, run: Run, compute: ComputeConfig, on_progress: OnProgress | None
) -> StageSummary:
    """Score the run's clips too; gives the summary of both."""
    if not has_clips(run):
        return photos
    from pipelines.video.score import score_clips

    return _both(photos, score_clips(run, compute, on_progress))


def with_corrected_clips(
    photos: StageSummary,
    run: Run,
    compute: ComputeConfig,
    on_progress: OnProgress | None,
    **options: Any,  # noqa: ANN401 of the stage
) -> StageSummary:
    """Correct the run's clips too; gives the summary of both."""
    if not has_clips(run):
        return photos
    from pipelines.video.correct import correct_clips

    return _both(photos, correct_clips(run, compute, on_progress, **options))


def _both(photos: StageSummary, clips: StageSummary) -> StageSummary:
    return replace(
        photos,
        total=photos.total + clips.total,
        done=photos.done + clips.done,
        skipped=photos.skipped + clips.skipped,
        rejected=photos.rejected + clips.rejected,
        failed=photos.failed + clips.failed,
        seconds=photos.seconds + clips.seconds,
        notes=photos.notes + clips.notes,
        frames=photos.images + clips.images,
    )
