"""Ingest: the catalog of a RUN or of a dataset, brought up to date with its folder of photos.

A row's group and output are joined here, each time anew: neither is in a committed shard.
"""

import hashlib
import logging
from collections.abc import Collection as Values
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from upath import UPath

from pipelines.collection import STAGE, Collection, Row, read_collection, row_key
from pipelines.config import ComputeConfig
from pipelines.datasets import Dataset, load_dataset, record_in_dataset
from pipelines.groups import Groups, read_groups
from pipelines.naming import assign_outputs
from pipelines.parquet import commit_table, drop_rows, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, record
from pipelines.schema import CATALOG
from pipelines.shards import Key
from pipelines.stylized import stale_sources

log = logging.getLogger(__name__)


def ingest(run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None) -> StageSummary:
    """Bring the run's catalog up to date with the photo folder.

    A run over a dataset takes over its rows and groups; the run's own file of groups goes first.

    Raises:
        EmptyFolderError: There is nothing to catalog.
        GroupsFileError: The file of groups cannot be used.

    """
    given = _groups_of(run.config.groups)
    lender = _lender(run)
    lent = _rows(lender.catalog) if lender else []
    parts = run.folder.stage(STAGE)
    stale = stale_sources(run.folder)
    drop_rows(parts, CATALOG, lambda row: _photo(row) in stale)
    collection = Collection(
        photos=run.photos,
        parts=parts,
        config=run.config,
        borrowed=_usable(lent, lender, run, stale) if lender else {},
        only=run.only,
    )
    rows, sources, summary = read_collection(collection, compute, on_progress)
    groups = {row["source"]: row["group"] for row in lent} | dict(given.of if given else {})
    named = [row | {"output": output} for row, output in _with_outputs(run, rows, sources)]
    digest = _commit(run.folder.catalog, named, groups)
    record(run, catalog_digest=digest, groups=_facts(given, sources))
    return summary


def ingest_dataset(
    dataset: Dataset, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Bring the dataset's catalog up to date with its folder; names of outputs are a run's matter.

    Raises:
        EmptyFolderError: There is nothing to catalog.
        GroupsFileError: The file of groups cannot be used.

    """
    given = _groups_of(dataset.config.groups)
    collection = Collection(photos=dataset.photos, parts=dataset.parts, config=dataset.config)
    rows, sources, summary = read_collection(collection, compute, on_progress)
    digest = _commit(dataset.catalog, rows, given.of if given else {})
    record_in_dataset(dataset, catalog_digest=digest, groups=_facts(given, sources))
    return summary


def _groups_of(file: str | None) -> Groups | None:
    return read_groups(file) if file else None


def _lender(run: Run) -> Dataset | None:
    """The run's dataset, if it is still there and has been ingested."""
    if run.dataset is None or not (run.dataset / "catalog.parquet").exists():
        return None
    return load_dataset(run.dataset)


def _usable(
    lent: Sequence[Row], lender: Dataset, run: Run, stale: Values[tuple[str, str]]
) -> dict[Key, Row]:
    """Rows that this run would make just so, were it to read the files itself."""
    limit = run.config.max_pixels
    is_same_limit = lender.config.max_pixels == limit
    return {
        row_key(row): row
        for row in lent
        if row["sha256"] is not None
        and _photo(row) not in stale
        and (row["width"] * row["height"] <= limit if row["status"] == "ok" else is_same_limit)
    }


def _photo(row: Row) -> tuple[str, str]:
    return (row["source"], row["sha256"])


def _with_outputs(
    run: Run, rows: Sequence[Row], sources: Sequence[str]
) -> list[tuple[Row, str | None]]:
    formats = {row["source"]: row["format"] for row in rows if row["status"] == "ok"}
    outputs = assign_outputs(
        formats, run.config.format, kept=_earlier_outputs(run), sources=sources
    )
    return [(row, outputs.get(row["source"])) for row in rows]


def _earlier_outputs(run: Run) -> dict[str, str]:
    rows = _rows(run.folder.catalog)
    return {row["source"]: row["output"] for row in rows if row["output"] is not None}


def _rows(catalog: UPath) -> list[Row]:
    return read_table(catalog, CATALOG).to_pylist() if catalog.exists() else []


def _commit(catalog: UPath, rows: Sequence[Row], groups: Mapping[str, str]) -> str:
    """Write the catalog; gives a digest over paths and bytes of all files, not over their stamps."""
    grouped = [row | {"group": groups.get(row["source"], row["group"])} for row in rows]
    commit_table(catalog, pa.Table.from_pylist(grouped, schema=CATALOG))
    lines = "".join(f"{row['source']}\0{row['sha256']}\n" for row in rows)
    return hashlib.sha256(lines.encode()).hexdigest()


def _facts(given: Groups | None, sources: Sequence[str]) -> dict[str, Any] | None:
    """Which file set the groups, for run.json; the user is told where it fits no photo at all."""
    if given is None:
        return None
    found = sum(source in given.of for source in sources)
    if not found:
        log.warning("%s names none of the %d files, e.g. %s", given.file, len(sources), sources[0])
    return {"file": given.file, "sha256": given.sha256, "sources": found}
