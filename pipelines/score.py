"""Score: one row per output, with every column and a verdict, committed to RUN/attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.attempts import attempt_keys, lineage, read_attempts
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
from pipelines.parquet import columns_of, commit_table, read_table
from pipelines.placing import first_output
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import FIRST_CHECKPOINT, Run, RunFolder, first_params, record
from pipelines.schema import CATALOG, attempts_schema
from pipelines.shards import (
    ROW_KEY,
    Items,
    Shard,
    ShardCount,
    joined,
    plan_rows,
    run_shards,
    summarize,
)
from pipelines.storage import open_root
from pipelines.style_folders import notes_on_copies
from pipelines.stylize import one_thread, read_source
from pipelines.stylized import read_stylized
from pipelines.video.signature import VIDEO

__all__ = ["score", "score_pairs"]

STAGE = "score"
_GONE = "the output is not there"
_COLUMNS = ["source", "attempt_id", "source_sha256", "output"]
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
    before = read_attempts(run.folder, *ROW_KEY, "calibration_id")
    plan = plan_rows(
        STAGE,
        Items(outputs, lambda row: FirstOutput(**row)),
        committed=before,
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    known_fields = lineage(run, first_params(run))
    failed = run_shards(
        plan, compute, score_shard, outputs_job(run), known_fields, on_progress=on_progress
    )
    after = attempt_keys(run.folder) if plan.shards else before
    done = pc.sum(pc.is_in(joined(outputs), value_set=joined(after))).as_py() or 0
    home = Path(run.config.home) if run.config.home else None
    summary = summarize(plan, failed, committed=done, rejected=0)
    notes = _notes_on_older_scores(run, outputs, before, known[1] if known else None)
    return replace(summary, notes=notes_on_copies(run.pack.path, home) + notes)


def _notes_on_older_scores(
    run: Run, outputs: pa.Table, attempts: pa.Table, calibration_id: str | None
) -> tuple[str, ...]:
    """Scores are never changed: who has calibrated since must know that these are of before."""
    if calibration_id is None:
        return ()
    is_older = pc.fill_null(pc.not_equal(attempts["calibration_id"], calibration_id), True)
    older = attempts.filter(is_older)
    if older.num_rows == 0:  # as a rule: no keys are joined then
        return ()
    count = pc.sum(pc.is_in(joined(older), value_set=joined(outputs))).as_py()
    if count == 0:
        return ()
    return (
        f"{count:,} of {outputs.num_rows:,} outputs keep the scores of before {run.pack.name} was calibrated as it is"
        " now: a new RUN folder has all of them judged by its present calibration",
    )


def plan_outputs(run: Run) -> pa.Table:
    """The first outputs of the photos that the catalog holds now, a column for each field of FirstOutput."""
    catalog = read_table(
        run.folder.catalog, columns_of(CATALOG, "source", "sha256", "mode", "group")
    )
    catalog = catalog.filter(pc.fill_null(pc.not_equal(catalog["mode"], VIDEO), True))
    rows = read_stylized(run.folder, *_COLUMNS, "status")
    rows = rows.filter(pc.equal(rows["status"], "ok")).select(_COLUMNS)
    photos = joined(rows, ("source", "source_sha256"))
    place = pc.index_in(photos, value_set=joined(catalog, ("source", "sha256")))
    is_current = pc.is_valid(place)
    groups = catalog["group"].take(place.filter(is_current))
    return rows.filter(is_current).append_column("group", groups)


def score_shard(shard: Shard[FirstOutput], job: OutputsJob, shared: dict[str, Any]) -> ShardCount:
    """Score every output of the shard, then commit their rows; `shared` is in all of them."""
    folder = job.folder
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
