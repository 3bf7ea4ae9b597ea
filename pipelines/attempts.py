"""The rows of RUN/attempts: one per image ever made, append-only."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ganst.scoring.columns import SCORER_VERSION
from pipelines.parquet import columns_of, read_parts
from pipelines.runs import Run, RunFolder
from pipelines.schema import attempts_schema
from pipelines.shards import ROW_KEY, Key, distinct_rows, row_keys


def read_attempts(folder: RunFolder, *names: str) -> pa.Table:
    """All committed attempts, one row per (source, attempt_id), sorted; of all columns, or of these."""
    schema = attempts_schema()
    return distinct_rows(
        read_parts(folder.attempts, columns_of(schema, *names) if names else schema)
    )


def committed_attempts(folder: RunFolder) -> set[Key]:
    """Keys of the attempts that are done."""
    return set(row_keys(attempt_keys(folder)))


def attempt_keys(folder: RunFolder) -> pa.Table:
    """The same as a table; no more than that is read."""
    return read_attempts(folder, *ROW_KEY)


def attempts_by_source(folder: RunFolder, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of each source in the order they were made; with all fields, or with these."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_attempts(folder, *names).to_pylist():
        found[row["source"]].append(row)
    return {
        source: sorted(rows, key=lambda row: row["attempt_no"]) for source, rows in found.items()
    }


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of attempts as a table."""
    return pa.Table.from_pylist(list(rows), schema=attempts_schema())


def lineage(run: Run, params: dict[str, Any]) -> dict[str, Any]:
    """The fields that all attempts of a run share."""
    return {
        "style": run.pack.name,
        "style_digest": run.pack.digest,
        "precision": run.precision,
        "seed": run.config.seed,
        "params": json.dumps(params, sort_keys=True),
        "scorer_version": SCORER_VERSION,
    }
