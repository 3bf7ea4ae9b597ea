"""Correct: make flagged images again, score again, deliver what passes, quarantine what does not.

Order of writes for one image: the first output is copied aside, then the delivered one is replaced
or removed, and the rows that say so come last. Killed in between, the next call does it again, with
the same outcome.
"""

from collections.abc import Mapping

import pyarrow as pa
from upath import UPath

from ganst.correction.strategies import Strategy, ladder, parameters
from ganst.scoring.columns import SCORER_VERSION
from pipelines.attempts import attempts_by_source
from pipelines.candidates import CorrectJob, FlaggedImage, Row, all_refused, try_ladder
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.delivery import delivery_of
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.judging import (
    first_output,
    judge_of,
    load_calibration,
)
from pipelines.parquet import commit_table, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, RunFolder, attempt_id, first_params
from pipelines.schema import CATALOG, attempts_schema
from pipelines.shards import Key, Shard, ShardCount, plan_shards, run_shards, summarize
from pipelines.storage import commit_bytes, open_root, read_bytes
from pipelines.stylize import one_thread, read_source

STAGE = "correct"
MAX_ATTEMPTS = 4  # of an image, the first one included
SYSTEMIC_SHARE = 0.3
SYSTEMIC_MIN = 20


def correct(
    run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Try the ladder of every flagged image that has neither a correction nor all its refusals.

    Where more than 30 % of at least 20 scored images are flagged, nothing is started: that is a
    fault of the run, which image-by-image corrections would hide. `failed` then says so.
    """
    attempts = current_attempts(run)
    images = plan_corrections(run, attempts)
    plan = plan_shards(
        STAGE,
        images,
        key=_key,
        committed={_key(image) for image in images if _is_settled(image, attempts)},
        shard_size=run.config.shard_size,
        workers=count_workers(compute),
    )
    fault = systemic_fault(attempts) if plan.shards else None
    if fault:
        return summarize(plan, (fault,), committed=plan.skipped, rejected=0)
    failed = run_shards(plan, compute, correct_shard, _job(run), on_progress=on_progress)
    after = current_attempts(run)
    settled = sum(_is_settled(image, after) for image in images)
    return summarize(plan, failed, committed=settled, rejected=0)


def current_attempts(run: Run) -> dict[str, list[Row]]:
    """The attempts on the photos as the catalog knows them now, by source."""
    catalog = {
        row["source"]: row["sha256"] for row in read_table(run.folder.catalog, CATALOG).to_pylist()
    }
    found = {}
    for source, rows in attempts_by_source(run.folder).items():
        now = [
            row
            for row in rows
            if row["source_sha256"] == catalog.get(source)
            and row["scorer_version"] == SCORER_VERSION
        ]
        if now:
            found[source] = now
    return found


def plan_corrections(run: Run, attempts: Mapping[str, list[Row]]) -> list[FlaggedImage]:
    """Every image whose first output was flagged by a calibration, with its ladder."""
    firsts = {
        source: rows[0] for source, rows in attempts.items() if rows[0]["decision"] == "first"
    }
    if not _is_calibrated(run):
        return []
    found = []
    for source, row in sorted(firsts.items()):
        steps = tuple((_attempt_id(run, row, strategy), strategy) for strategy in _ladder(run, row))
        if row["flagged"] and steps:
            found.append(FlaggedImage(row=row, steps=steps, donor=_donor(source, firsts)))
    return found


def systemic_fault(attempts: Mapping[str, list[Row]]) -> str | None:
    """One sentence where so much is flagged that the run itself must be at fault."""
    flags = [
        rows[0]["flagged"] for rows in attempts.values() if rows[0]["score_status"] == "scored"
    ]
    if len(flags) < SYSTEMIC_MIN or sum(flags) <= SYSTEMIC_SHARE * len(flags):
        return None
    return (
        f"correction was not started: {sum(flags)} of {len(flags)} outputs are flagged, over"
        f" {SYSTEMIC_SHARE:.0%}: check the style, its calibration and the photos first"
    )


def correct_shard(shard: Shard[FlaggedImage], job: CorrectJob) -> ShardCount:
    """Correct every image of the shard, then commit the rows of all candidates."""
    folder = RunFolder(open_root(job.run))
    with one_thread():
        rows = [row for image in shard.items for row in _correct_image(image, job, folder)]
    commit_table(folder.attempts / shard.part, pa.Table.from_pylist(rows, schema=attempts_schema()))
    return ShardCount(len(shard.items))


def _correct_image(image: FlaggedImage, job: CorrectJob, folder: RunFolder) -> list[Row]:
    """Try the ladder until a candidate is accepted; deliver it, or quarantine the first output."""
    output = image.row["output"]
    try:
        photo = read_source(
            open_root(job.photos),
            image.row["source"],
            image.row["source_sha256"],
            job.max_pixels,
            job.max_side,
        )
    except (StaleSourceError, UndecodableImageError) as error:
        return all_refused(image, f"the photo cannot be read: {error}")
    rows: list[Row] = []
    for candidate, row in try_ladder(image, photo, job, folder):
        rows.append(row)
        if row["decision"] == "accepted" and candidate:
            _deliver(folder, output, candidate.data)
            return rows
    _quarantine(folder, output)
    return rows


def _deliver(folder: RunFolder, output: str, data: bytes) -> None:
    """Keep the first output aside, then replace the delivered image in one step."""
    _copy_first(folder, output, folder.superseded(output))
    commit_bytes(folder.images(output), data)
    folder.quarantine(output).unlink(missing_ok=True)


def _quarantine(folder: RunFolder, output: str) -> None:
    """Copy the first output to quarantine/, then take it out of images/."""
    _copy_first(folder, output, folder.quarantine(output))
    folder.images(output).unlink(missing_ok=True)
    folder.superseded(output).unlink(missing_ok=True)


def _copy_first(folder: RunFolder, output: str, target: UPath) -> None:
    source = first_output(folder, output)
    if source != target and source.exists():
        commit_bytes(target, read_bytes(source))


def _donor(source: str, firsts: Mapping[str, Row]) -> str | None:
    """Output path of the next source whose output is good: correction will not touch it."""
    names = sorted(name for name, row in firsts.items() if not row["flagged"] and name != source)
    following = [name for name in names if name > source] + names
    return firsts[following[0]]["output"] if following else None


def _attempt_id(run: Run, row: Row, strategy: Strategy) -> str:
    params = first_params(run) | parameters(strategy) | {"output": row["output_sha256"]}
    return attempt_id(
        source_sha256=row["source_sha256"],
        style_digest=run.pack.digest,
        strategy=strategy.name,
        params=params,
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def _ladder(run: Run, row: Row) -> tuple[Strategy, ...]:
    return ladder(row["reason"], run.pack.checkpoints)[: MAX_ATTEMPTS - 1]


def _is_calibrated(run: Run) -> bool:
    return load_calibration(str(run.style_path)) is not None


def _is_settled(image: FlaggedImage, attempts: Mapping[str, list[Row]]) -> bool:
    """Accepted once, or refused at every step."""
    mine = {row["attempt_id"]: row["decision"] for row in attempts.get(image.row["source"], [])}
    return "accepted" in mine.values() or all(key in mine for key, _ in image.steps)


def _job(run: Run) -> CorrectJob:
    return CorrectJob(
        photos=str(run.photos),
        run=str(run.folder.root),
        judge=judge_of(run),
        max_side=run.config.max_side,
        max_pixels=run.config.max_pixels,
        delivery=delivery_of(run),
    )


def _key(image: FlaggedImage) -> Key:
    return (image.row["source"], image.row["attempt_id"])
