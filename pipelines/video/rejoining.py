"""A clip joined again with the shots that were made better, judged as a whole, delivered or given up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
from upath import UPath

from ganst.scoring.columns import SCORER_VERSION
from pipelines.errors import UndecodableImageError, UnstylizableImageError
from pipelines.parquet import commit_table
from pipelines.placing import deliver_file, quarantine
from pipelines.runs import Run, RunFolder, attempt_id
from pipelines.schema import SHOTS, attempts_schema
from pipelines.shards import Shard, ShardCount
from pipelines.stylize import one_thread
from pipelines.video.clips import Clip, ClipJob, Row, load_plan
from pipelines.video.digest import digest_of
from pipelines.video.judging import ClipScoreJob, judge_clip
from pipelines.video.rendering import join_clip
from pipelines.video.retrying import PRECISION, shot_path
from pipelines.video.shots import PARTS

REJOIN = "rejoin"  # the strategy of a clip that could not be read: nothing is stylized


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoining:
    """A flagged clip, its first row, and the last try at each of its flagged shots."""

    clip: Clip
    row: Row
    tries: tuple[Row, ...]
    attempt_id: str

    @property
    def refused(self) -> Row | None:
        """A shot that nothing has made better, if there is one."""
        return next((row for row in self.tries if row["decision"] != "accepted"), None)


def rejoining_id(run: Run, first: Row, params: Row, tries: Sequence[Row]) -> str:
    """The id of the attempt: of its shots, and of the output that it replaces."""
    made_of = {
        "shots": {str(row["shot"]): row["attempt_id"] for row in tries},
        "output": first["output_sha256"],
    }
    return attempt_id(
        source_sha256=first["source_sha256"],
        style_digest=run.pack.digest,
        strategy=strategy_of(tries),
        params=params | made_of,
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def strategy_of(tries: Sequence[Row]) -> str:
    """How the shots were made again, in one word."""
    return "+".join(sorted({row["strategy"] for row in tries})) or REJOIN


def rejoin_shard(shard: Shard[Rejoining], job: ClipJob, judging: ClipScoreJob) -> ShardCount:
    """Join each clip again, deliver it if it is better; first the files, then the rows."""
    folder = job.folder
    with one_thread():
        for one in shard.items:
            shots, row = _rejoined(one, job, judging)
            commit_table(
                folder.stage(PARTS) / shard.part, pa.Table.from_pylist(shots, schema=SHOTS)
            )
            commit_table(
                folder.attempts / shard.part,
                pa.Table.from_pylist([row], schema=attempts_schema()),
            )
    return ShardCount(len(shard.items))


def _rejoined(one: Rejoining, job: ClipJob, judging: ClipScoreJob) -> tuple[list[Row], Row]:
    if one.refused:
        quarantine(job.folder, one.row)
        number, why = one.refused["shot"], one.refused["decision_reason"]
        return [], _row(one, f"nothing has made shot {number + 1} better: {why}")
    made = _made_path(job.folder, one)
    try:
        shots, fields = _judged(one, made, job, judging)
    except (UndecodableImageError, UnstylizableImageError) as error:
        quarantine(job.folder, one.row)
        return [], _row(one, f"the clip cannot be joined: {error}")
    row = _row(one, "passed all tests") | fields | {"output_sha256": digest_of(made)}
    if fields["flagged"] or fields["score_status"] != "scored":
        quarantine(job.folder, one.row)
        row["decision_reason"] = f"the joined clip is no better: {fields['evidence']}"
    else:
        deliver_file(job.folder, one.row, made)
        row["decision"] = "accepted"
    made.unlink(missing_ok=True)
    return shots, row


def _judged(
    one: Rejoining, made: UPath, job: ClipJob, judging: ClipScoreJob
) -> tuple[list[Row], Row]:
    plan = load_plan(job.folder, one.clip.attempt_id)
    assert plan is not None, "what is scored was scanned"
    again = {
        row["shot"]: shot_path(job.folder, one.clip.attempt_id, row["attempt_id"])
        for row in one.tries
    }
    join_clip(made, one.clip, plan, job, again)
    return judge_clip(one.clip, made, plan, judging, one.attempt_id)


def _made_path(folder: RunFolder, one: Rejoining) -> UPath:
    suffix = PurePosixPath(one.clip.output).suffix
    return folder.clip(one.clip.attempt_id) / f"joined-{one.attempt_id}{suffix}"


def _row(one: Rejoining, why: str) -> Row:
    """The row of a clip that was given up, for that reason; lineage as its parent's."""
    kept = ("source", "source_sha256", "group", "output", "style", "style_digest", "seed")
    params = {str(row["shot"]): json.loads(row["params"]) for row in one.tries}
    return (
        dict.fromkeys(attempts_schema().names)
        | {name: one.row[name] for name in kept}
        | {
            "attempt_id": one.attempt_id,
            "parent_attempt_id": one.row["attempt_id"],
            "attempt_no": 2,
            "strategy": strategy_of(one.tries),
            "params": json.dumps({"shots": params}, sort_keys=True),
            "checkpoint": "+".join(sorted({row["checkpoint"] for row in one.tries})) or None,
            "precision": PRECISION if one.tries else one.row["precision"],
            "scorer_version": SCORER_VERSION,
            "calibration_id": one.row["calibration_id"],
            "score_status": "unsupported",
            "flagged": True,
            "decision": "refused",
            "decision_reason": why,
        }
    )
