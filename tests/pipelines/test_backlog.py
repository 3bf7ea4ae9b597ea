"""Which runs below a folder wait for a correction."""

from pathlib import Path

import pytest

from ganst.models.stylepack import StylePack
from ganst.scoring.columns import SCORER_VERSION
from pipelines import parquet, schema
from pipelines.backlog import Backlog, find_backlogs
from pipelines.errors import EmptyFolderError
from pipelines.report import write_report
from pipelines.runs import Run
from tests.pipelines import photo_folders
from tests.pipelines.made_runs import (
    MadePhoto,
    as_table,
    attempt_rows,
    catalog_row,
    stylized_rows,
    write_parts,
    write_pictures,
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> StylePack:
    return photo_folders.make_style(tmp_path_factory.mktemp("pack"))


def finished_run(out: Path, pack: StylePack, *outcomes: str) -> Run:
    photos = [MadePhoto(source=f"{i}.jpg", outcome=outcome) for i, outcome in enumerate(outcomes)]
    run = photo_folders.make_run(out.parent / "photos", out, pack)
    parquet.commit_table(
        run.folder.catalog, as_table([catalog_row(photo) for photo in photos], schema.CATALOG)
    )
    write_parts(run, "stylize", [[row for photo in photos for row in stylized_rows(photo)]])
    rows = [row for photo in photos for row in attempt_rows(photo)]
    write_parts(run, "attempts", [[row | {"scorer_version": SCORER_VERSION} for row in rows]])
    write_pictures(run, photos)
    write_report(run)
    return run


def test_runs_with_flagged_images_are_found_at_any_depth_and_no_others(tmp_path, pack):
    finished_run(tmp_path / "b" / "night", pack, "flagged", "ok", "flagged")
    finished_run(tmp_path / "a", pack, "flagged", "corrected")
    finished_run(tmp_path / "done", pack, "ok", "corrected", "quarantined", "rejected")
    finished_run(tmp_path / ".hidden", pack, "flagged")
    finished_run(tmp_path / "1" / "2" / "3" / "too-deep", pack, "flagged")
    unfinished = finished_run(tmp_path / "unfinished", pack, "flagged")
    unfinished.folder.report.unlink()
    assert find_backlogs(str(tmp_path), None) == [
        Backlog(run=str(tmp_path / "a"), num_flagged=1),
        Backlog(run=str(tmp_path / "b" / "night"), num_flagged=2),
    ]
    (itself,) = find_backlogs(str(tmp_path / "a"), None)
    assert itself.run == str(tmp_path / "a")


def test_a_run_that_is_flagged_as_a_whole_is_left_to_people(tmp_path, pack):
    finished_run(tmp_path / "run", pack, *["flagged"] * 7, *["ok"] * 13)
    (found,) = find_backlogs(str(tmp_path), None)
    assert found.num_flagged == 7
    assert "7 of 20 outputs are flagged" in (found.left_alone or "")


def test_a_run_that_cannot_be_read_is_named_and_hides_no_other(tmp_path, pack):
    broken = finished_run(tmp_path / "broken", pack, "flagged")
    broken.folder.report.write_bytes(b"no Parquet")
    finished_run(tmp_path / "well", pack, "flagged")
    first, second = find_backlogs(str(tmp_path), None)
    assert first.run == str(tmp_path / "broken")
    assert first.left_alone
    assert second == Backlog(run=str(tmp_path / "well"), num_flagged=1)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EmptyFolderError, match="nowhere is not a folder of runs"):
        find_backlogs(str(tmp_path / "nowhere"), None)
