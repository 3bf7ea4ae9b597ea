import json
import os
from pathlib import Path

import pytest

from pipelines import collection as collection_module
from pipelines.config import ComputeConfig
from pipelines.errors import EmptyFolderError
from pipelines.ingest import ingest
from pipelines.parquet import read_table
from pipelines.runs import Run
from pipelines.schema import CATALOG
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import (
    NUM_GOOD,
    file_of,
    make_odd_folder,
    make_photos,
    make_run,
    make_style,
    smooth,
)

SERIAL = ComputeConfig(workers=0)


@pytest.fixture
def pack(tmp_path):
    return make_style(tmp_path / "styles")


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos", 4)


@pytest.fixture
def run(tmp_path, photos, pack):
    return make_run(photos, tmp_path / "RUN", pack)


def catalog(run: Run) -> dict[str, dict]:
    rows = read_table(run.folder.catalog, CATALOG).to_pylist()
    assert [row["source"] for row in rows] == sorted(row["source"] for row in rows)
    return {row["source"]: row for row in rows}


def ingested(run: Run) -> dict[str, dict]:
    ingest(run, SERIAL)
    return catalog(run)


def test_the_odd_folder_has_a_row_for_every_file_and_a_reason_for_every_bad_one(tmp_path, pack):
    errors = make_odd_folder(tmp_path / "photos")
    run = make_run(tmp_path / "photos", tmp_path / "RUN", pack)
    summary = ingest(run, SERIAL)
    rows = catalog(run)
    assert len(rows) == summary.total == summary.done == NUM_GOOD + len(errors)
    assert summary.rejected == 3
    for name, words in errors.items():
        assert (rows[name]["status"] == "rejected") == (words is not None)
        assert words is None or words in rows[name]["error"]
    rotated = rows["rotated.jpg"]
    assert (rotated["width"], rotated["height"]) == (30, 40)
    assert [rows[name]["output"] for name in ("a.jpg", "a.png")] == ["a.jpg", "a.png"]


def test_the_group_is_the_parent_folder(tmp_path, pack):
    make_photos(tmp_path / "photos", 1)
    make_photos(tmp_path / "photos" / "2024" / "may", 1)
    rows = ingested(make_run(tmp_path / "photos", tmp_path / "RUN", pack))
    assert {s: r["group"] for s, r in rows.items()} == {
        "photo00.jpg": ".",
        "2024/may/photo00.jpg": "2024/may",
    }


def test_hidden_files_and_thumbnail_databases_are_not_seen(photos, run):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".trash/x.jpg", "a/.hidden.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"x")
    assert len(ingested(run)) == 4


def test_a_run_folder_inside_of_the_photos_is_not_ingested_whosever_run_it_is(photos, pack):
    other = make_run(photos, photos / "other", pack, strength=0.5)
    run = make_run(photos, photos / "album" / "RUN", pack)
    for each in (other, run):
        ingest(each, SERIAL)
        stylize(each, SERIAL)
    assert len(ingested(run)) == 4


def test_a_link_that_leaves_the_folder_is_a_rejected_row_and_is_not_read(tmp_path, photos, run):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes((photos / "photo00.jpg").read_bytes())
    (photos / "file.jpg").symlink_to(secret)
    (photos / "folder").symlink_to(tmp_path, target_is_directory=True)
    (photos / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    rows = ingested(run)
    for name in ("file.jpg", "folder"):
        assert "leaves the photo folder" in rows[name]["error"]
        assert rows[name]["sha256"] is None
    for name in ("nowhere.jpg", "loop.jpg"):
        assert rows[name]["error"] == "The symbolic link leads nowhere."
    assert len(rows) == 4 + 4


def test_links_inside_of_the_folder_are_files_but_linked_folders_are_not_walked_twice(photos, run):
    (photos / "link.jpg").symlink_to(photos / "photo00.jpg")
    (photos / "again").symlink_to(photos, target_is_directory=True)
    rows = ingested(run)
    assert len(rows) == 5
    assert rows["link.jpg"]["sha256"] == rows["photo00.jpg"]["sha256"]


def test_a_photo_folder_that_is_itself_a_link_is_walked(tmp_path, photos, pack):
    (tmp_path / "link").symlink_to(photos, target_is_directory=True)
    rows = ingested(make_run(tmp_path / "link", tmp_path / "RUN2", pack))
    assert {row["status"] for row in rows.values()} == {"ok"}


def test_a_pipe_is_a_rejected_row_and_is_never_opened(photos, run):
    os.mkfifo(photos / "pipe.jpg")
    assert "pipe, socket or device" in ingested(run)["pipe.jpg"]["error"]


def test_a_name_that_is_no_text_is_a_rejected_row(photos, run):
    Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.jpg")).write_bytes(b"x")
    assert "not valid UTF-8" in ingested(run)["caf\\xe9.jpg"]["error"]


def test_a_file_that_may_not_be_read_is_a_row_and_is_tried_again(run, monkeypatch):
    def deny(path: Path) -> bytes:
        if path.name == "photo01.jpg":
            raise PermissionError(13, "Permission denied")
        return path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(collection_module, "read_bytes", deny)
        rows = ingested(run)
    assert rows["photo01.jpg"]["error"] == "The file may not be read (permission denied)."
    assert {row["status"] for row in ingested(run).values()} == {"ok"}


def test_a_disk_error_leaves_no_row_and_fails_its_shard(run, monkeypatch):
    def break_one(path: Path) -> bytes:
        if path.name == "photo01.jpg":
            raise OSError(5, "Input/output error")
        return path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(collection_module, "read_bytes", break_one)
        summary = ingest(run, SERIAL)
    assert len(summary.failed) == 1
    assert "Input/output error" in summary.failed[0]
    assert summary.rejected == 0
    assert "photo01.jpg" not in catalog(run)
    assert len(catalog(run)) == summary.done > 0
    assert ingest(run, SERIAL).failed == ()
    assert len(catalog(run)) == 4


def test_nothing_is_read_again_that_did_not_change(run, monkeypatch):
    ingest(run, SERIAL)
    before = run.folder.catalog.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(collection_module, "read_bytes", None)
        summary = ingest(run, SERIAL)
    assert (summary.total, summary.done, summary.skipped) == (4, 0, 4)
    assert run.folder.catalog.read_bytes() == before


def test_new_changed_and_removed_files_are_found(photos, run):
    before = ingested(run)
    (photos / "new.png").write_bytes(file_of(smooth(9, 9), "PNG"))
    (photos / "photo00.jpg").write_bytes(file_of(smooth(50, 20), "JPEG"))
    (photos / "photo01.jpg").unlink()
    summary = ingest(run, SERIAL)
    after = catalog(run)
    assert (summary.total, summary.done, summary.skipped) == (4, 2, 2)
    assert after.keys() == {"new.png", "photo00.jpg", "photo02.jpg", "photo03.jpg"}
    assert (after["photo00.jpg"]["width"], after["photo00.jpg"]["height"]) == (50, 20)
    assert after["photo02.jpg"] == before["photo02.jpg"]


def test_other_bytes_under_the_same_stamp_are_found_after_stylize_met_them(photos, run):
    ingest(run, SERIAL)
    path = photos / "photo00.jpg"
    stamp, data = path.stat().st_mtime_ns, bytearray(path.read_bytes())
    data[-1:] = b"\0"
    path.write_bytes(data)
    os.utime(path, ns=(stamp, stamp))
    assert stylize(run, SERIAL).rejected == 1
    ingest(run, SERIAL)
    assert stylize(run, SERIAL).rejected == 0


def test_the_catalog_digest_is_noted(run):
    ingest(run, SERIAL)
    assert len(json.loads(run.folder.run_json.read_bytes())["catalog_digest"]) == 64


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_photos_is_an_error_by_name(tmp_path, pack, folder):
    (tmp_path / "empty").mkdir()
    run = make_run(tmp_path / folder, tmp_path / "RUN", pack)
    with pytest.raises(EmptyFolderError, match=f"photo folder .*{folder}"):
        ingest(run, SERIAL)
