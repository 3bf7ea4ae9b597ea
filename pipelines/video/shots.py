"""The committed rows of shots, and the table that a run leaves of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.parquet import commit_table, read_parts
from pipelines.schema import SHOT_TRIES, SHOTS
from pipelines.shards import Key, distinct_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.report_draft import Draft
    from pipelines.runs import RunFolder

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


def write_shots(folder: RunFolder, draft: Draft) -> None:
    """Write shots.parquet: the shots of the clips that the report is about; none, no file."""
    shots = read_shots(folder)
    if not shots.num_rows:
        return
    keys = ["source", "attempt_id"]
    clips = draft.of_sources(shots["source"].to_pylist()).select(keys)
    shots = shots.join(clips, keys, join_type="left semi")
    if shots.num_rows:
        ordered = shots.sort_by([("source", "ascending"), ("shot", "ascending")])
        commit_table(folder.shots, ordered.select(SHOTS.names).cast(SHOTS).combine_chunks())
