"""Correct: make flagged images again, score again, deliver what passes, quarantine what does not.

Order of writes for one image: the first output is copied aside, then the delivered one is replaced
or removed, and the rows that say so come last. Killed in between, the next call does it again, with
the same outcome.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from upath import UPath

from ganst.correction.ladder import ladder, parameters
from ganst.correction.strategies import Restyling
from ganst.scoring.columns import SCORER_VERSION
from pipelines.attempts import attempts_by_source
from pipelines.candidates import FlaggedImage, Row, all_refused, try_ladder
from pipelines.cluster import count_workers
from pipelines.config import ComputeConfig
from pipelines.errors import StaleSourceError, UndecodableImageError
from pipelines.judging import OutputsJob, first_output, load_calibration, outputs_job
from pipelines.parquet import commit_table, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.reviews import Verdicts, key_of, read_verdicts
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
    verdicts = read_verdicts(run.folder)
    attempts = current_attempts(run)
    images = plan_corrections(run, attempts, verdicts)
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
    failed = run_shards(plan, compute, correct_shard, outputs_job(run), on_progress=on_progress)
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


def plan_corrections(
    run: Run, attempts: Mapping[str, list[Row]], verdicts: Verdicts = MappingProxyType({})
) -> list[FlaggedImage]:
    """Every image whose first output was flagged, with its ladder.

    A person's verdict on it comes before the flag: good is left alone, bad is made again.
    """
    firsts = {
        source: rows[0] for source, rows in attempts.items() if rows[0]["decision"] == "first"
    }
    if not _is_calibrated(run):
        return []
    found = []
    for source, row in sorted(firsts.items()):
        steps = tuple((_attempt_id(run, row, strategy), strategy) for strategy in _ladder(run, row))
        if _is_bad(row, verdicts) and steps:
            refused = frozenset(
                key for key, _ in steps if _is_refused(attempts[source], key, verdicts)
            )
            found.append(
                FlaggedImage(row=row, steps=steps, donor=_donor(source, firsts), refused=refused)
            )
    return found


def _is_bad(row: Row, verdicts: Verdicts) -> bool:
    said = verdicts.get(key_of(row))
    return said["verdict"] == "bad" if said else row["flagged"]


def _is_refused(rows: list[Row], attempt: str, verdicts: Verdicts) -> bool:
    """True where that attempt was accepted and a person found it bad."""
    mine = (row for row in rows if row["attempt_id"] == attempt and row["decision"] == "accepted")
    return any(key_of(row) in verdicts and _is_bad(row, verdicts) for row in mine)


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


def correct_shard(shard: Shard[FlaggedImage], job: OutputsJob) -> ShardCount:
    """Correct every image of the shard, then commit the rows of all candidates."""
    folder = RunFolder(open_root(job.run))
    with one_thread():
        rows = [row for image in shard.items for row in _correct_image(image, job, folder)]
    commit_table(folder.attempts / shard.part, pa.Table.from_pylist(rows, schema=attempts_schema()))
    return ShardCount(len(shard.items))


def _correct_image(image: FlaggedImage, job: OutputsJob, folder: RunFolder) -> list[Row]:
    """Try the ladder until a candidate is accepted; deliver it, or quarantine the first output."""
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
            deliver(folder, image.row, candidate.data)
            return rows
    quarantine(folder, image.row)
    return rows


def deliver(folder: RunFolder, row: Mapping[str, Any], data: bytes) -> None:
    """Keep the first output aside, then replace the delivered image in one step.

    `row` has `output` and `output_sha256` of the first output; no digest: there never was one.
    """
    _copy_first(folder, row, folder.superseded(row["output"]))
    commit_bytes(folder.images(row["output"]), data)
    folder.quarantine(row["output"]).unlink(missing_ok=True)


def quarantine(folder: RunFolder, row: Mapping[str, Any]) -> None:
    """Copy the first output to quarantine/, then take it out of images/."""
    _copy_first(folder, row, folder.quarantine(row["output"]))
    folder.images(row["output"]).unlink(missing_ok=True)
    folder.superseded(row["output"]).unlink(missing_ok=True)


def _copy_first(folder: RunFolder, row: Mapping[str, Any], target: UPath) -> None:
    if row["output_sha256"] is None:  # what lies there now was delivered by a killed call
        return
    source = first_output(folder, row["output"])
    if source != target and source.exists():
        commit_bytes(target, read_bytes(source))


def _donor(source: str, firsts: Mapping[str, Row]) -> str | None:
    """Output path of the next source whose output is good: correction will not touch it."""
    names = sorted(name for name, row in firsts.items() if not row["flagged"] and name != source)
    following = [name for name in names if name > source] + names
    return firsts[following[0]]["output"] if following else None


def _attempt_id(run: Run, row: Row, strategy: Restyling) -> str:
    params = first_params(run) | parameters(strategy) | {"output": row["output_sha256"]}
    return attempt_id(
        source_sha256=row["source_sha256"],
        style_digest=run.pack.digest,
        strategy=strategy.name,
        params=params,
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def _ladder(run: Run, row: Row) -> tuple[Restyling, ...]:
    return ladder(row["reason"], run.pack.checkpoints)[: MAX_ATTEMPTS - 1]


def _is_calibrated(run: Run) -> bool:
    return load_calibration(str(run.style_path)) is not None


def _is_settled(image: FlaggedImage, attempts: Mapping[str, list[Row]]) -> bool:
    """Accepted once, or refused at every step."""
    mine = {row["attempt_id"]: row["decision"] for row in attempts.get(image.row["source"], [])}
    accepted = {key for key, decision in mine.items() if decision == "accepted"}
    return bool(accepted - image.refused) or all(key in mine for key, _ in image.steps)


def _key(image: FlaggedImage) -> Key:
    # Not the key that the first output was scored under: a part of corrections would take the name
    # of a part of scores. And a ladder that goes on after a person's word writes another part.
    return (image.row["source"], image.row["attempt_id"], STAGE, *sorted(image.refused))
