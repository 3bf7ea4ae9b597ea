import itertools
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import ComputeConfig
from pipelines.shards import (
    Items,
    Shard,
    ShardCount,
    count_in,
    distinct_rows,
    plan_rows,
    plan_shards,
    run_shards,
    shard_name,
    slice_sizes,
    summarize,
)

SERIAL = ComputeConfig(workers=0)
ITEMS = st.lists(st.integers(0, 500), max_size=200)


def cut(items, *, committed=(), shard_size=7, workers=1):
    return plan_shards(
        "test",
        items,
        key=lambda item: (f"{item:04d}",),
        committed={(f"{item:04d}",) for item in committed},
        shard_size=shard_size,
        workers=workers,
    )


@given(ITEMS, ITEMS, st.integers(1, 40), st.integers(0, 8))
def test_every_missing_item_lands_in_exactly_one_shard(items, committed, shard_size, workers):
    plan = cut(items, committed=committed, shard_size=shard_size, workers=workers)
    landed = [item for shard in plan.shards for item in shard.items]
    assert landed == sorted(set(items) - set(committed))
    assert plan.total == len(set(items))
    assert plan.skipped == len(set(items) & set(committed))


@given(ITEMS, st.integers(1, 40), st.integers(0, 8))
def test_shards_are_as_large_as_asked_for_and_become_small_towards_the_end(items, size, workers):
    sizes = [len(shard.items) for shard in cut(items, shard_size=size, workers=workers).shards]
    assert all(1 <= found <= size for found in sizes)
    assert sizes == sorted(sizes, reverse=True)
    left = sum(sizes)
    for found in sizes:  # no worker is left with more than half of its share
        assert found == size or found <= max(4, math.ceil(left / (2 * max(1, workers))))
        left -= found


@given(ITEMS, ITEMS, st.integers(1, 40), st.integers(0, 8))
def test_rows_of_a_table_are_cut_as_items_are(items, committed, shard_size, workers):
    def table(numbers) -> pa.Table:
        texts = [f"{number:04d}" for number in numbers]
        return pa.table(
            {"name": pa.array(texts, pa.string()), "side": pa.array(numbers, pa.int64())}
        )

    rows = Items(table(items), lambda row: row["side"], ("name",))
    plan = plan_rows(
        "test", rows, committed=table(committed), shard_size=shard_size, workers=workers
    )
    reference = cut(items, committed=committed, shard_size=shard_size, workers=workers)
    assert list(plan.shards) == list(reference.shards)
    assert (plan.total, plan.skipped) == (reference.total, reference.skipped)


def test_a_small_job_keeps_every_worker_busy():
    assert list(slice_sizes(10, shard_size=64, workers=2)) == [3, 3, 3, 1]
    assert list(slice_sizes(1, shard_size=64, workers=2)) == [1]
    assert list(slice_sizes(1000, shard_size=64, workers=2))[:13] == [64] * 12 + [58]
    assert list(slice_sizes(1000, shard_size=64, workers=2))[-4:] == [4] * 4


def test_few_more_shards_than_the_fewest_are_enough():
    sizes = list(slice_sizes(1_000_000, shard_size=64, workers=2))
    assert len(sizes) <= 1_000_000 / 64 + 4 * math.log2(64) + 4


@given(ITEMS, st.randoms())
def test_the_cut_does_not_hang_on_the_order_of_the_items(items, random):
    shuffled = random.sample(items, len(items))
    assert [s.name for s in cut(items).shards] == [s.name for s in cut(shuffled).shards]


@given(st.sets(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=2, max_size=6))
def test_different_work_has_different_names(keys):
    subsets = [[key] for key in keys] + [list(pair) for pair in itertools.combinations(keys, 2)]
    if not any("\0" in part or "\n" in part for key in keys for part in key):
        assert len({shard_name(subset) for subset in subsets}) == len(subsets)


def test_rows_of_two_files_with_equal_bytes_both_stay():
    table = pa.table({"source": ["b", "a", "a"], "attempt_id": ["1", "1", "1"]})
    assert distinct_rows(table).to_pylist() == [
        {"source": "a", "attempt_id": "1"},
        {"source": "b", "attempt_id": "1"},
    ]


@given(st.permutations([("a", "1", "ok"), ("a", "1", "rejected"), ("b", "2", "rejected")]))
def test_the_row_that_stays_does_not_hang_on_the_order_of_parts(rows):
    names = ("source", "attempt_id", "status")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    assert distinct_rows(table)["status"].to_pylist() == ["ok", "rejected"]


def halves(shard: Shard, log: list) -> ShardCount:
    log.append(shard.items)
    if 3 in shard.items:
        raise ZeroDivisionError("three is\nnot a number")
    return ShardCount(len(shard.items), 1)


def test_a_failing_shard_is_told_in_one_line_and_the_others_finish():
    log, seen = [], []
    plan = cut(range(6), shard_size=2)
    failed = run_shards(plan, SERIAL, halves, log, on_progress=seen.append)
    assert log == [(0, 1), (2, 3), (4, 5)]
    assert len(failed) == 1
    assert "ZeroDivisionError: three is not a number" in failed[0]
    assert [(p.done, p.total, p.rejected) for p in seen] == [(2, 6, 1), (2, 6, 1), (4, 6, 2)]


def test_a_summary_counts_what_is_committed():
    summary = summarize(cut(range(6), committed=[0]), ("x",), committed=4, rejected=1)
    assert (summary.total, summary.done, summary.skipped, summary.rejected) == (6, 3, 1, 1)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_failed_shard(interrupt):
    def stop(_shard: Shard) -> ShardCount:
        raise interrupt

    with pytest.raises(interrupt):
        run_shards(cut(range(3)), SERIAL, stop)


def test_progress_can_be_counted_in_something_smaller():
    told = []

    def work(shard: Shard[int]) -> ShardCount:
        return ShardCount(sum(shard.items))

    plan = count_in("frames", cut([10, 20, 30], committed=[20], shard_size=1), lambda item: item)
    assert run_shards(plan, SERIAL, work, on_progress=told.append) == ()
    assert [(one.done, one.total, one.unit) for one in told] == [
        (10, 40, "frames"),
        (40, 40, "frames"),
    ]
