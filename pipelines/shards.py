"""Shards: slices of the missing work, named after their content, committed by one Parquet part.

A part that exists is a shard that is done. What is missing is recomputed from the parts at every
start, so that resuming is a directory listing, and any interleaving of killed and repeated runs
ends with the same rows.
"""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.fan_out import fan_out
from pipelines.progress import OnProgress, Progress, StageSummary

T = TypeVar("T")
Key = tuple[str, ...]  # what names one item of work
_SMALLEST_SHARD = 4
ROW_KEY = ("source", "attempt_id")  # the columns that name a row of most tables


@dataclass(frozen=True, slots=True)
class Shard(Generic[T]):
    """Items that are worked on by one process and committed together."""

    name: str  # 32 hex digits: a digest of the items' keys
    items: tuple[T, ...]

    @property
    def part(self) -> str:
        """File name of the shard's Parquet part."""
        return f"{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class ShardCount:
    """What a shard function tells about its work, for the progress bar only."""

    done: int
    rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[T]):
    """The work of one call of a stage: what is there already, and the shards of what is not."""

    stage: str
    shards: Sequence[Shard[T]]
    total: int
    skipped: int
    unit: str = "images"  # of total, skipped and what the shards count
    started: float = field(default_factory=time.monotonic)


def plan_shards(
    stage: str,
    items: Iterable[T],
    *,
    key: Callable[[T], Key],
    committed: Collection[Key],
    shard_size: int,
    workers: int,
) -> Plan[T]:
    """Cut what is missing, sorted by key, into slices (`slice_sizes`); `key` is (source, attempt_id) mostly."""
    wanted = sorted({key(item): item for item in items}.items())
    missing = [(name, item) for name, item in wanted if name not in committed]
    rest = iter(missing)
    sizes = slice_sizes(len(missing), shard_size=shard_size, workers=workers)
    slices = [list(islice(rest, size)) for size in sizes]
    shards = tuple(
        Shard(shard_name(name for name, _ in pairs), tuple(item for _, item in pairs))
        for pairs in slices
    )
    skipped = len(wanted) - len(missing)
    return Plan(stage=stage, shards=shards, total=len(wanted), skipped=skipped)


@dataclass(frozen=True, slots=True)
class Items(Generic[T]):
    """Items of work as rows of a table: made when their shard's turn comes.

    A million of them take their bytes in Arrow, and no object of Python each. `key` names columns.
    """

    rows: pa.Table
    to_item: Callable[[dict[str, Any]], T]
    key: Sequence[str] = ROW_KEY


def plan_rows(
    stage: str, items: Items[T], *, committed: pa.Table, shard_size: int, workers: int
) -> Plan[T]:
    """As `plan_shards`, of the rows of a table; `committed` has the columns of the key, too."""
    wanted = distinct_rows(items.rows, items.key)
    is_done = pc.is_in(joined(wanted, items.key), value_set=joined(committed, items.key))
    missing = take_rows(wanted, pc.indices_nonzero(pc.invert(is_done)))
    sizes = slice_sizes(missing.num_rows, shard_size=shard_size, workers=workers)
    return Plan(
        stage=stage,
        shards=_Slices(replace(items, rows=missing), tuple(accumulate(sizes, initial=0))),
        total=wanted.num_rows,
        skipped=wanted.num_rows - missing.num_rows,
    )


@dataclass(frozen=True, slots=True)
class _Slices(Sequence[Shard[T]]):
    """The shards of a table's rows, each made anew whenever it is asked for."""

    items: Items[T]
    starts: tuple[int, ...]  # and the end

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Shard[T]:  # pyrefly: ignore[bad-override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, stop = self.starts[index : index + 2]
        rows = self.items.rows.slice(start, stop - start).to_pylist()
        names = (tuple(str(row[name]) for name in self.items.key) for row in rows)
        return Shard(shard_name(names), tuple(map(self.items.to_item, rows)))


def slice_sizes(num_items: int, *, shard_size: int, workers: int) -> Iterator[int]:
    """Items in each shard: half of what each worker had of the rest, but `shard_size` at most.

    Guided self-scheduling (Polychronopoulos and Kuck 1987, doi:10.1109/TC.1987.5009495): the last
    shards are small, so that no worker has a large one before it when the others are done; but not
    so small, where there are many items, that committing them is much of the work.
    """
    takers = 2 * max(1, workers)
    least = min(_SMALLEST_SHARD, math.ceil(num_items / takers))
    while num_items:
        size = min(shard_size, num_items, max(least, math.ceil(num_items / takers)))
        yield size
        num_items -= size


def shard_name(keys: Iterable[Key]) -> str:
    """The name of a shard depends on the work in it and on nothing else."""
    lines = sorted("\0".join(key) for key in keys)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def run_shards(
    plan: Plan[T],
    compute: ComputeConfig,
    shard_fn: Callable[..., ShardCount],
    *args: Any,  # noqa: ANN401 whatever the shard function takes
    on_progress: OnProgress | None = None,
) -> tuple[str, ...]:
    """Call `shard_fn(shard, *args)` on every shard; gives one sentence per shard that failed.

    No cluster is started where nothing is missing.

    Raises:
        ClusterError: The cluster cannot be reached, or went away.

    """
    if not plan.shards:
        return ()
    failed: list[str] = []
    done = rejected = 0
    with open_client(compute) as client:
        outcomes = fan_out(client, shard_fn, plan.shards, *args, resource=compute.resource)
        for shard, count, error in outcomes:
            if error is not None:
                failed.append(_failure(plan.stage, shard, error))
            if count is not None:
                done, rejected = done + count.done, rejected + count.rejected
            if on_progress:
                on_progress(_progress(plan, done, rejected))
    return tuple(sorted(failed))


def _progress(plan: Plan[T], done: int, rejected: int) -> Progress:
    return Progress(
        stage=plan.stage,
        done=done,
        total=plan.total - plan.skipped,
        rejected=rejected,
        elapsed_s=time.monotonic() - plan.started,
        unit=plan.unit,
    )


def count_in(unit: str, plan: Plan[T], size: Callable[[T], int]) -> Plan[T]:
    """The same work, its progress counted in something smaller: what each item has of it."""
    total = sum(size(item) for shard in plan.shards for item in shard.items)
    return replace(plan, unit=unit, total=total, skipped=0)


def summarize(
    plan: Plan[T], failed: tuple[str, ...], *, committed: int, rejected: int
) -> StageSummary:
    """The stage's summary; `committed` and `rejected` are counted in the parts, after the work."""
    return StageSummary(
        stage=plan.stage,
        total=plan.total,
        done=committed - plan.skipped,
        skipped=plan.skipped,
        rejected=rejected,
        failed=failed,
        seconds=time.monotonic() - plan.started,
    )


def distinct_rows(table: pa.Table, keys: Sequence[str] = ROW_KEY) -> pa.Table:
    """One row per key, sorted by key: two drivers, or a killed one, may have committed one twice.

    Where rows of a key differ, the smallest `status` stays (ok before rejected), so that the
    outcome does not depend on the order of the parts.
    """
    if table.num_rows == 0:
        return table
    columns = [*keys, "status"] if "status" in table.column_names else list(keys)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in columns])
    is_new = pa.array([False] * (table.num_rows - 1), pa.bool_())
    for name in keys:
        column = table[name].take(order).combine_chunks()
        is_new = pc.or_(is_new, pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)))
    return take_rows(table, order.filter(pa.concat_arrays([pa.array([True]), is_new])))


def take_rows(table: pa.Table, places: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows with these numbers, none of them null; the table itself where that is all of them in order."""
    if np.array_equal(places, np.arange(table.num_rows)):
        return table
    return table.take(places)


def row_keys(table: pa.Table, keys: Sequence[str] = ROW_KEY) -> list[Key]:
    """The key of every row, in the table's order."""
    return list(zip(*(table.column(name).to_pylist() for name in keys), strict=True))


def joined(table: pa.Table, keys: Sequence[str] = ROW_KEY) -> pa.ChunkedArray:
    """The key of every row as one string: what two tables are compared by."""
    texts = [pc.cast(table[name], pa.string()) for name in keys]
    return pc.binary_join_element_wise(*texts, "\0")


def _failure(stage: str, shard: Shard[T], error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    size = len(shard.items)
    return f"{stage} shard {shard.name[:8]} ({size} items): {type(error).__name__}: {text}"
