"""Shards: slices of the missing work, named after their content, committed by one Parquet part.

A part that exists is a shard that is done. What is missing is recomputed from the parts at every
start, so that resuming is a directory listing, and any interleaving of killed and repeated runs
ends with the same rows.
"""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import pyarrow as pa

from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.fan_out import fan_out
from pipelines.progress import OnProgress, Progress, StageSummary

T = TypeVar("T")
Key = tuple[str, ...]  # e.g. (source, attempt_id): what names one item of work


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
    shards: tuple[Shard[T], ...]
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
    """Cut what is missing, sorted by key, into equal slices; `key` is (source, attempt_id) mostly.

    Slices are made smaller than `shard_size` where that gives every worker two of them.
    """
    wanted = sorted({key(item): item for item in items}.items())
    missing = [(name, item) for name, item in wanted if name not in committed]
    size = slice_size(len(missing), shard_size=shard_size, workers=workers)
    slices = [missing[start : start + size] for start in range(0, len(missing), size)]
    shards = tuple(
        Shard(shard_name(name for name, _ in pairs), tuple(item for _, item in pairs))
        for pairs in slices
    )
    skipped = len(wanted) - len(missing)
    return Plan(stage=stage, shards=shards, total=len(wanted), skipped=skipped)


def slice_size(num_items: int, *, shard_size: int, workers: int) -> int:
    """Items in a shard: the size of the fewest equal slices, but two slices a worker at least."""
    num_shards = max(math.ceil(num_items / shard_size), min(num_items, 2 * workers), 1)
    return max(1, math.ceil(num_items / num_shards))


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


def distinct_rows(table: pa.Table, keys: Sequence[str] = ("source", "attempt_id")) -> pa.Table:
    """One row per key, sorted by key: two drivers, or a killed one, may have committed one twice.

    Where rows of a key differ, the smallest `status` stays (ok before rejected), so that the
    outcome does not depend on the order of the parts.
    """
    columns = [*keys, "status"] if "status" in table.column_names else list(keys)
    ordered = table.sort_by([(name, "ascending") for name in columns])
    names = row_keys(ordered, keys)
    first = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return ordered.take(pa.array(first, pa.int64()))


def row_keys(table: pa.Table, keys: Sequence[str] = ("source", "attempt_id")) -> list[Key]:
    """The key of every row, in the table's order."""
    return list(zip(*(table.column(name).to_pylist() for name in keys), strict=True))


def _failure(stage: str, shard: Shard[T], error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    size = len(shard.items)
    return f"{stage} shard {shard.name[:8]} ({size} items): {type(error).__name__}: {text}"
