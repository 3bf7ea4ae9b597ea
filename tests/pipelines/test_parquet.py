import pyarrow as pa
import pytest

from pipelines.errors import SchemaMismatchError
from pipelines.parquet import commit_table, read_parts, read_table
from pipelines.schema import CATALOG, REPORT, SCHEMA_VERSION, STYLIZED
from pipelines.storage import open_root

TWO = pa.schema([("source", pa.string()), ("bytes", pa.int64())])


def rows(*values: tuple[str, int]):
    return pa.table({"source": [v[0] for v in values], "bytes": [v[1] for v in values]}, TWO)


@pytest.mark.parametrize("place", ["local", "memory"])
def test_parts_read_back_by_name_and_dot_names_are_no_parts(tmp_path, place):
    root = open_root(str(tmp_path) if place == "local" else f"memory://parts/{tmp_path.name}")
    commit_table(root / "b.parquet", rows(("b", 2)))
    commit_table(root / "a.parquet", rows(("a", 1)))
    commit_table(root / ".c.parquet", rows(("c", 3)))
    assert read_parts(root, TWO).to_pylist() == rows(("a", 1), ("b", 2)).to_pylist()


def test_a_folder_that_is_not_there_has_no_rows(tmp_path):
    table = read_parts(open_root(str(tmp_path)) / "missing", CATALOG)
    assert table.num_rows == 0
    assert table.schema == CATALOG


def test_a_column_of_another_type_is_refused_with_both_types(tmp_path):
    path = open_root(str(tmp_path)) / "part.parquet"
    commit_table(path, pa.table({"source": ["a"], "bytes": ["12"]}))
    with pytest.raises(SchemaMismatchError, match="'bytes' is string, expected int64"):
        read_table(path, TWO)


def test_a_column_that_an_older_version_did_not_write_is_null(tmp_path):
    path = open_root(str(tmp_path)) / "part.parquet"
    commit_table(path, pa.table({"source": ["a"], "gone": [1]}))
    assert read_table(path, TWO).to_pylist() == [{"source": "a", "bytes": None}]


def test_the_same_rows_are_the_same_bytes(tmp_path):
    root = open_root(str(tmp_path))
    for name in ("1.parquet", "2.parquet"):
        commit_table(root / name, rows(("a", 1)))
    assert (root / "1.parquet").read_bytes() == (root / "2.parquet").read_bytes()


@pytest.mark.parametrize("schema", [CATALOG, STYLIZED, REPORT])
def test_files_carry_the_schema_version_and_the_meaning_of_every_column(tmp_path, schema):
    path = open_root(str(tmp_path)) / "part.parquet"
    commit_table(path, schema.empty_table())
    found = pa.parquet.read_schema(str(path))
    assert found.metadata[b"ganst.schema"].decode() == SCHEMA_VERSION
    assert all(field.metadata[b"meaning"] for field in found)
