"""Stylize: the catalog's photos to images/, by shards that workers make; what is there is not made again."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from ganst.threads import one_thread
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.delivery import delivery_of
from pipelines.first_attempts import Companion, Photo, plan_photos, to_photo
from pipelines.parquet import give_back
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run
from pipelines.shards import ROW_KEY, Items, Plan, joined, plan_rows, run_shards, summarize
from pipelines.storage import sweep_temporaries
from pipelines.style_job import style_fields
from pipelines.stylized import STAGE, forget_stale, read_stylized, stale_notes, stale_sources
from pipelines.stylizing import StylizeJob, read_source, stylize_shard

__all__ = ["make_job", "one_thread", "read_source", "stylize", "stylize_shard"]

_STATUS = (*ROW_KEY, "status")


def stylize(
    run: Run,
    compute: ComputeConfig,
    on_progress: OnProgress | None = None,
    companion: Companion | None = None,
) -> StageSummary:
    """Make the first output of every photo of the catalog that has none."""
    forget_stale(run.folder)
    photos, before = plan_photos(run), read_stylized(run.folder, *_STATUS)
    plan = plan_rows(
        STAGE,
        Items(photos, to_photo),
        committed=before,
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    if not plan.shards:
        return _summary(plan, (), photos, before)
    sweep_temporaries(run.folder.root)
    give_back()
    failed = run_shards(
        plan, compute, stylize_shard, make_job(run), companion, on_progress=on_progress
    )
    summary = _summary(plan, failed, photos, read_stylized(run.folder, *_STATUS))
    give_back()
    return replace(summary, notes=stale_notes(stale_sources(run.folder)))


def _summary(
    plan: Plan[Photo], failed: tuple[str, ...], photos: pa.Table, rows: pa.Table
) -> StageSummary:
    """Counted from the rows that are committed."""
    mine = rows.filter(pc.is_in(joined(rows), value_set=joined(photos)))
    rejected = pc.sum(pc.equal(mine["status"], "rejected")).as_py() or 0
    return summarize(plan, failed, committed=mine.num_rows, rejected=rejected)


def make_job(run: Run) -> StylizeJob:
    """The part of a run that travels to workers."""
    return StylizeJob(
        **style_fields(run), max_pixels=run.config.max_pixels, delivery=delivery_of(run)
    )
