"""The committed rows of shots, and the table that a run leaves of them."""

from typing import Any

import pyarrow as pa

from pipelines.parquet import commit_table, read_parts
from pipelines.runs import RunFolder
from pipelines.schema import SHOT_TRIES, SHOTS
from pipelines.shards import Key, distinct_rows

PARTS = "shots"
TRIES = "shot_tries"


def read_shots(folder: RunFolder) -> pa.Table:
    """The rows of all shots, each once, by source and number."""
    table = read_parts(folder.stage(PARTS), SHOTS)
    return distinct_rows(table, ("source", "attempt_id", "shot"))


def read_tries(folder: RunFolder) -> dict[Key, dict[str, Any]]:
    """The committed tries at shots, by source and attempt."""
    table = distinct_rows(read_parts(folder.stage(TRIES), SHOT_TRIES))
    return {(row["source"], row["attempt_id"]): row for row in table.to_pylist()}


def write_shots(folder: RunFolder, report: pa.Table) -> None:
    """Write shots.parquet: the shots of the clips that the report is about; none, no file."""
    keys = ["source", "attempt_id"]
    shots = read_shots(folder).join(report.select(keys), keys, join_type="left semi")
    if shots.num_rows:
        ordered = shots.sort_by([("source", "ascending"), ("shot", "ascending")])
        commit_table(folder.shots, ordered.select(SHOTS.names).cast(SHOTS).combine_chunks())
