import json
import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import collection as collection_module
from pipelines import stylize as stylize_module
from pipelines.config import ComputeConfig
from pipelines.errors import GroupsFileError
from pipelines.groups import read_groups
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import make_photos, make_run, make_style

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def table(tmp_path) -> Path:
    return tmp_path / "groups.csv"


def made(table: Path, text: str | bytes) -> dict[str, str]:
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return dict(read_groups(str(table)).of)


def test_csv_in_any_order_of_columns_with_quotes_and_a_byte_order_mark(table):
    text = '\ufeffgroup,source\r\n"a, ""b""",näme & <b>.jpg\r\n2,x/y.jpg\r\n\r\n'
    assert made(table, text) == {"näme & <b>.jpg": 'a, "b"', "x/y.jpg": "2"}


@pytest.mark.parametrize("values", [["7", "8"], [7, 8], pd.Categorical(["7", "8"])])
def test_parquet_of_pandas_gives_what_its_csv_gives(table, values):
    frame = pd.DataFrame({"source": ["a.jpg", "b.jpg"], "group": values})
    frame.to_parquet(table.with_suffix(".parquet"))
    frame.to_csv(table, index=False)
    assert read_groups(str(table)).of == read_groups(str(table.with_suffix(".parquet"))).of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "source,album\na,b\n",
            "must have the columns source and group, but has 'source', 'album'",
        ),
        ("source,group,note\na,b,c\n", "but has 'source', 'group', 'note'"),
        ("source\na\n", "but has 'source'"),
        ("source,group,group\na,b,b\n", "but has 'source', 'group', 'group'"),
        ("", "but has none"),
        ("source,group\na,b\na,c\n", "'a' is in two groups, 'b' and 'c'"),
        ("source,group\na,b\nb,\n", "row 2 has no group"),
        ("source,group\n,b\n", "row 1 has no source"),
        ("source,group\na\n", "is no CSV of source and group"),
        ('source,group\na,"b\n', "is no CSV of source and group"),
        (b"source,group\n\xff,b\n", "neither Parquet nor text in UTF-8"),
        (b"PAR1 and nothing more", "is a damaged Parquet file"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(table, text, said):
    with pytest.raises(GroupsFileError, match=r"groups\.csv") as refused:
        made(table, text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value).strip()


def test_a_null_is_no_group(table):
    pq.write_table(pa.table({"source": ["a", None], "group": ["x", "y"]}), table)
    with pytest.raises(GroupsFileError, match="row 2 has no source"):
        read_groups(str(table))


def test_a_file_that_is_not_there_is_named(table):
    with pytest.raises(GroupsFileError, match=r"There is no file of groups .*groups\.csv"):
        read_groups(str(table))


def test_the_same_source_twice_in_one_group_is_well(table):
    assert made(table, "source,group\na,b\na,b\n") == {"a": "b"}


def report(run: Run) -> dict[str, str]:
    write_report(run)
    frame = pd.read_parquet(str(run.folder.report))
    return dict(zip(frame.source, frame.group, strict=True))


def test_groups_reach_catalog_and_report_and_a_changed_file_redoes_no_shard(
    tmp_path, table, monkeypatch
):
    photos, pack = make_photos(tmp_path / "photos", 3), make_style(tmp_path / "styles")
    table.write_text("source,group\nphoto00.jpg,shoot\nphoto01.jpg,shoot\nelsewhere.jpg,x\n")

    def again(groups: Path | None) -> Run:
        run = make_run(photos, tmp_path / "RUN", pack, groups=str(groups) if groups else None)
        ingest(run, SERIAL)
        stylize(run, SERIAL)
        return run

    first = again(table)
    known = {"photo00.jpg": "shoot", "photo01.jpg": "shoot", "photo02.jpg": "."}
    assert report(first) == known
    catalog = pd.read_parquet(str(first.folder.catalog))
    assert dict(zip(catalog.source, catalog.group, strict=True)) == known
    facts = json.loads(first.folder.run_json.read_bytes())
    assert facts["groups"] | {"sha256": ""} == {"file": str(table), "sha256": "", "sources": 2}

    monkeypatch.setattr(collection_module, "ingest_shard", None)
    monkeypatch.setattr(stylize_module, "stylize_shard", None)
    table.write_text("source,group\nphoto02.jpg,other\n")
    assert report(again(table)) == {"photo00.jpg": ".", "photo01.jpg": ".", "photo02.jpg": "other"}
    assert set(report(again(None)).values()) == {"."}


def test_a_file_that_fits_no_photo_is_told(tmp_path, table, caplog):
    photos, pack = make_photos(tmp_path / "photos", 1), make_style(tmp_path / "styles")
    table.write_text("source,group\nC:\\photos\\photo00.jpg,shoot\n")
    with caplog.at_level(logging.WARNING):
        ingest(make_run(photos, tmp_path / "RUN", pack, groups=str(table)), SERIAL)
    assert "names none of the 1 files, e.g. photo00.jpg" in caplog.text
