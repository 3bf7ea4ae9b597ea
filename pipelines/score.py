"""Score: one row per output, with every column and a verdict, committed to RUN/attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.attempts import committed_attempts, lineage
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.judging import (
    OutputsJob,
    load_calibration,
    outputs_job,
    read_output,
    score_fields,
    stale_fields,
    unreadable_fields,
)
from pipelines.pairs import score_pairs
from pipelines.parquet import commit_table, read_table
from pipelines.placing import first_output
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder, first_params, record
from pipelines.schema import CATALOG, attempts_schema
from pipelines.shards import Key, Shard, ShardCount, plan_shards, run_shards, summarize
from pipelines.storage import open_root
from pipelines.stylize import one_thread, read_source
from pipelines.stylized import read_stylized
from pipelines.video.signature import VIDEO

__all__ = ["score", "score_pairs"]

STAGE = "score"
_GONE = "the output is not there"
_BROKEN = "the output cannot be decoded"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FirstOutput:
    """A first output that has no score yet."""

    source: str
    attempt_id: str
    source_sha256: str
    group: str
    output: str


def score(run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None) -> StageSummary:
    """Score every first output that has no row yet.

    Raises:
        CalibrationError: The style's calibration file is damaged or of another version.

    """
    known = load_calibration(str(run.style_path))
    record(run, calibration_id=known[1] if known else None)
    outputs = plan_outputs(run)
    plan = plan_shards(
        STAGE,
        outputs,
        key=_key,
        committed=committed_attempts(run.folder),
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    known_fields = lineage(run, first_params(run))
    failed = run_shards(
        plan, compute, score_shard, outputs_job(run), known_fields, on_progress=on_progress
    )
    committed = committed_attempts(run.folder)
    return summarize(
        plan, failed, committed=sum(_key(item) in committed for item in outputs), rejected=0
    )


def plan_outputs(run: Run) -> list[FirstOutput]:
    """The first outputs of the sources that the catalog holds now."""
    catalog = {row["source"]: row for row in read_table(run.folder.catalog, CATALOG).to_pylist()}
    return [
        FirstOutput(
            source=row["source"],
            attempt_id=row["attempt_id"],
            source_sha256=row["source_sha256"],
            group=catalog[row["source"]]["group"],
            output=row["output"],
        )
        for row in read_stylized(run.folder).to_pylist()
        if row["status"] == "ok" and _is_current(row, catalog) and not _is_clip(row, catalog)
    ]


def score_shard(shard: Shard[FirstOutput], job: OutputsJob, shared: dict[str, Any]) -> ShardCount:
    """Score every output of the shard, then commit their rows; `shared` is in all of them."""
    folder = RunFolder(open_root(job.run))
    with one_thread():
        rows = [score_row(item, *_verdict(item, job, folder)) | shared for item in shard.items]
    commit_rows(folder, shard.part, rows)
    return ShardCount(len(rows))


def commit_rows(folder: RunFolder, part: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write a part of the attempts."""
    commit_table(folder.attempts / part, pa.Table.from_pylist(rows, schema=attempts_schema()))


def score_row(item: FirstOutput, fields: dict[str, Any], digest: str | None) -> dict[str, Any]:
    """The row of a first output: its verdict, and which one it is."""
    return fields | {
        "attempt_id": item.attempt_id,
        "parent_attempt_id": None,
        "attempt_no": 1,
        "source": item.source,
        "source_sha256": item.source_sha256,
        "group": item.group,
        "output": item.output,
        "output_sha256": digest,
        "strategy": None,
        "checkpoint": FIRST_CHECKPOINT,
        "decision": "first",
        "decision_reason": None,
    }


def unreadable_output() -> dict[str, Any]:
    """The fields of an output whose bytes are no image."""
    return unreadable_fields(_BROKEN)


def _verdict(
    item: FirstOutput, job: OutputsJob, folder: RunFolder
) -> tuple[dict[str, Any], str | None]:
    output, digest = read_output(first_output(folder, item.output), job.max_pixels)
    if output is None:
        return unreadable_output() if digest else unreadable_fields(_GONE), digest
    try:
        photo = read_source(
            open_root(job.photos), item.source, item.source_sha256, job.max_pixels, job.max_side
        )
    except (StaleSourceError, UndecodableImageError) as error:
        return stale_fields(error), digest
    fields = score_fields(
        photo.pixels,
        output.pixels,
        job.judge,
        key=item.attempt_id,
        output_name=item.output,
    )
    return fields, digest


def _is_current(row: dict[str, Any], catalog: dict[str, dict[str, Any]]) -> bool:
    known = catalog.get(row["source"])
    return known is not None and known["sha256"] == row["source_sha256"]


def _is_clip(row: dict[str, Any], catalog: dict[str, dict[str, Any]]) -> bool:
    return catalog[row["source"]]["mode"] == VIDEO


def _key(item: FirstOutput) -> Key:
    return (item.source, item.attempt_id)
