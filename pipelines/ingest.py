"""Ingest: the catalog of a RUN or of a dataset, brought up to date with its folder of photos.

A row's group and output are joined here, each time anew: neither is in a committed shard.
"""

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from pipelines.collection import STAGE, Collection, read_collection
from pipelines.config import ComputeConfig
from pipelines.datasets import Dataset, load_dataset, record_in_dataset
from pipelines.groups import Groups, read_groups
from pipelines.naming import assign_outputs, find_odd
from pipelines.parquet import commit_tables, drop_rows, give_back, read_table
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, record
from pipelines.schema import CATALOG
from pipelines.shards import joined
from pipelines.slices import SLICE_ROWS
from pipelines.stylized import stale_sources

_Column = pa.ChunkedArray
_BATCH = 4096  # rows of a table that are objects of Python at a time

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
    lent = _rows(lender.catalog) if lender else CATALOG.empty_table()
    parts = run.folder.stage(STAGE)
    stale = stale_sources(run.folder)
    if stale.num_rows:
        drop_rows(parts, CATALOG, lambda rows: _are_among(rows, stale))
    collection = Collection(
        photos=run.photos,
        parts=parts,
        config=run.config,
        borrowed=_usable(lent, lender, run, stale) if lender else lent,
        only=run.only,
    )
    rows, sources, summary = read_collection(collection, compute, on_progress)
    rows = _with_groups(rows, lent["source"], lent["group"])
    digest = _commit(run.folder.catalog, _with_outputs(run, rows, sources), given)
    record(run, catalog_digest=digest, groups=_facts(given, sources))
    give_back()
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
    digest = _commit(dataset.catalog, rows, given)
    record_in_dataset(dataset, catalog_digest=digest, groups=_facts(given, sources))
    return summary


def _groups_of(file: str | None) -> Groups | None:
    return read_groups(file) if file else None


def _lender(run: Run) -> Dataset | None:
    """The run's dataset, if it is still there and has been ingested."""
    if run.dataset is None or not (run.dataset / "catalog.parquet").exists():
        return None
    return load_dataset(run.dataset)


def _usable(lent: pa.Table, lender: Dataset, run: Run, stale: pa.Table) -> pa.Table:
    """Rows that this run would make just so, were it to read the files itself."""
    limit = run.config.max_pixels
    num_pixels = pc.multiply(pc.cast(lent["width"], pa.int64()), lent["height"])
    is_same = pc.if_else(
        pc.equal(lent["status"], "ok"),
        pc.less_equal(num_pixels, limit),
        lender.config.max_pixels == limit,
    )
    is_stale = _are_among(lent, stale)
    return lent.filter(pc.and_(pc.is_valid(lent["sha256"]), pc.and_not(is_same, is_stale)))


def _are_among(rows: pa.Table, stale: pa.Table) -> pa.ChunkedArray:
    """Which rows of a catalog are of these sources with these bytes."""
    return pc.is_in(
        joined(rows, ("source", "sha256")), value_set=joined(stale, ("source", "source_sha256"))
    )


def _with_groups(rows: pa.Table, sources: _Column, groups: _Column) -> pa.Table:
    """The rows with the groups that are given for some sources."""
    found = groups.take(pc.index_in(rows["source"], value_set=sources))
    place = rows.schema.get_field_index("group")
    return rows.set_column(place, CATALOG.field("group"), pc.coalesce(found, rows["group"]))


def _with_outputs(run: Run, rows: pa.Table, sources: pa.ChunkedArray) -> pa.Table:
    earlier = _rows(run.folder.catalog).select(["source", "output"])
    is_moved = pc.not_equal(earlier["source"], earlier["output"])  # null where there is no output
    decoded = rows.select(["source", "format"]).filter(pc.equal(rows["status"], "ok"))
    odd = find_odd(
        _pairs(decoded, "format"), run.config.format, dict(_pairs(earlier.filter(is_moved)))
    )
    kept = earlier.filter(pc.is_in(earlier["source"], value_set=pa.array(odd, pa.string())))
    outputs = assign_outputs(
        odd,
        run.config.format,
        kept={source: output for source, output in _pairs(kept) if output is not None},
        sources=(source.as_py() for source in sources),
    )
    names = (
        outputs.get(source, source) if status == "ok" else None
        for source, status in _pairs(rows, "status")
    )
    place = rows.schema.get_field_index("output")
    return rows.set_column(place, CATALOG.field("output"), pa.array(names, pa.string()))


def _pairs(rows: pa.Table, name: str = "output") -> Iterator[tuple[str, str]]:
    """Each source with its value of that column; no more of them at a time than a batch has."""
    for batch in rows.select(["source", name]).to_batches(max_chunksize=_BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _rows(catalog: UPath) -> pa.Table:
    return read_table(catalog, CATALOG) if catalog.exists() else CATALOG.empty_table()


def _commit(catalog: UPath, rows: pa.Table, given: Groups | None) -> str:
    """Write the catalog; gives a digest over paths and bytes of all files, not over their stamps."""
    if given:
        sources, groups = (
            pa.chunked_array([pa.array(values, pa.string())])
            for values in (given.of.keys(), given.of.values())
        )
        rows = _with_groups(rows, sources, groups)
    slices = (
        rows.slice(start, SLICE_ROWS).cast(CATALOG).combine_chunks()
        for start in range(0, rows.num_rows, SLICE_ROWS)
    )
    commit_tables(catalog, CATALOG, slices)
    digest = hashlib.sha256()
    for source, sha256 in _pairs(rows, "sha256"):
        digest.update(f"{source}\0{sha256}\n".encode())
    return digest.hexdigest()


def _facts(given: Groups | None, sources: pa.ChunkedArray) -> dict[str, Any] | None:
    """Which file set the groups, for run.json; the user is told where it fits no photo at all."""
    if given is None:
        return None
    found = sum(source.as_py() in given.of for source in sources)
    if not found:
        log.warning(
            "%s names none of the %d files, e.g. %s", given.file, len(sources), sources[0].as_py()
        )
    return {"file": given.file, "sha256": given.sha256, "sources": found}
