"""A report in slices: the same file, and never all of it at a time."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from pipelines import report_draft, schema
from pipelines.parquet import commit_table, read_table
from pipelines.report import current_report, write_report
from pipelines.slices import PartsBySource, slices_by_source
from pipelines.spill import Spill
from tests.pipelines.made_runs import OUTCOMES, MadePhoto, make_run, write_parts
from tests.pipelines.test_report import _rows

_NUMBERS = pa.schema([("source", pa.string()), ("number", pa.int64())])


def numbers(*values: int) -> pa.Table:
    return pa.table({"source": [f"{v:03}" for v in values], "number": values}, schema=_NUMBERS)


@pytest.fixture
def run(tmp_path):
    photos = [MadePhoto(source=f"{i:02}.jpg", outcome=OUTCOMES[i % 9]) for i in range(30)]
    run = make_run(tmp_path, photos[::-1])  # a catalog that is not sorted
    made, tried = _rows(photos)
    write_parts(run, "stylize", [made[::2], made[1::2]])  # every part has sources of every slice
    write_parts(run, "attempts", [tried[:9], tried[9:20], tried[5:], tried[::3]])
    return run


def test_a_report_in_slices_has_the_rows_of_one_that_is_whole(run, monkeypatch):
    summaries, tables, pages = [], [], []
    for rows in (8192, 7, 1):
        monkeypatch.setattr(report_draft, "SLICE_ROWS", rows)
        summaries.append(write_report(run).to_json())
        tables.append(read_table(run.folder.report, schema.REPORT))
        pages.append(run.folder.report_html.read_bytes())
        assert current_report(run)[0].equals(tables[0])
    assert tables[1].equals(tables[0])
    assert tables[2].equals(tables[0])
    assert summaries[0] == summaries[1] == summaries[2]
    assert pages[0] == pages[1] == pages[2]


def test_no_table_of_a_report_is_longer_than_a_slice(run, monkeypatch):
    monkeypatch.setattr(report_draft, "SLICE_ROWS", 7)
    made = report_draft.report_rows
    seen = []

    def watched(*tables: pa.Table, **style: str) -> tuple[pa.Table, pa.Table]:
        seen.append(max(table.num_rows for table in tables[:2]))
        return made(*tables, **style)

    monkeypatch.setattr(report_draft, "report_rows", watched)
    write_report(run)
    assert seen == [7, 7, 7, 7, 2]
    footer = pq.read_metadata(str(run.folder.report))
    assert [footer.row_group(number).num_rows for number in range(5)] == seen


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    cuts=st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=6),
    span=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_what_lies_between_two_sources_is_found_however_the_parts_are_cut(
    tmp_path_factory, cuts, span
):
    folder = UPath(tmp_path_factory.mktemp("parts"))
    for index, cut in enumerate(cuts):
        commit_table(folder / f"{index}.parquet", numbers(*cut))
    first, last = sorted(span)
    found = PartsBySource(folder, _NUMBERS).between(numbers(first, last)["source"])
    wanted = [value for cut in cuts for value in cut if first <= value <= last]
    assert found["number"].to_pylist() == wanted


def test_a_file_that_is_not_sorted_is_sorted_and_one_without_rows_is_one_table(tmp_path):
    path = UPath(tmp_path / "rows.parquet")
    commit_table(path, numbers(3, 1, 2))
    assert [t["number"].to_pylist() for t in slices_by_source(path, _NUMBERS, 2)] == [[1, 2], [3]]
    commit_table(path, numbers())
    assert [table.num_rows for table in slices_by_source(path, _NUMBERS, 2)] == [0]


@settings(deadline=None, derandomize=True, max_examples=30)
@given(tables=st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(sum), data=st.data())
def test_rows_set_aside_are_taken_in_any_order(tables, data):
    total = sum(tables)
    places = data.draw(st.lists(st.integers(0, total - 1), max_size=8))
    start = 0
    with Spill(_NUMBERS) as rows:
        for size in tables:
            rows.add(numbers(*range(start, start + size)))
            start += size
        assert rows.take(places)["number"].to_pylist() == places
        assert rows.take(np.array(places, dtype=int))["number"].to_pylist() == places
        assert sum(table.num_rows for table in rows) == rows.num_rows == total
