"""Contact sheets: which rows, how many, and what is left of an earlier report."""

import numpy as np
import pytest
from PIL import Image

from pipelines import sheets as sheets_module
from pipelines.report import write_report
from pipelines.runs import Run
from tests.pipelines.made_runs import HEIGHT, WIDTH, MadePhoto, write_run


@pytest.fixture
def run(tmp_path):
    outcomes = ["flagged", "corrected", "quarantined", "rejected", *["ok"] * 17]
    photos = [MadePhoto(source=f"a/{i}.jpg", outcome=o) for i, o in enumerate(outcomes)]
    return write_run(tmp_path, photos)


def _names(run: Run) -> list[str]:
    return sorted(path.name for path in run.folder.sheets.iterdir())


def _size(run: Run, name: str) -> tuple[int, int]:
    with Image.open(str(run.folder.sheets / name)) as sheet:
        return sheet.size


def test_flagged_and_good_images_have_sheets_of_fifteen(run):
    write_report(run)
    assert _names(run) == ["flagged-01.jpg", "ok-01.jpg", "ok-02.jpg"]


def test_a_sheet_is_as_large_as_what_is_on_it(run):
    write_report(run)
    line = HEIGHT + 44 + 28  # picture, caption and gap
    # Three rows, one of them corrected: triptychs, two a line.
    assert _size(run, "flagged-01.jpg") == (28 + 2 * (3 * 300 + 2 * 4 + 28), 28 + 2 * line)
    assert _size(run, "ok-01.jpg") == (28 + 3 * (2 * 300 + 4 + 28), 28 + 5 * line)


def test_a_correction_stands_beside_the_photo_and_what_came_out_at_first(run):
    write_report(run)
    with Image.open(str(run.folder.sheets / "flagged-01.jpg")) as sheet:
        # The second entry of the first line; every picture in the middle of its place.
        places = [28 + 936 + place * 304 + (300 - WIDTH) // 2 for place in range(3)]
        photo, first, corrected = (
            np.asarray(sheet.crop((x, 28, x + WIDTH, 28 + HEIGHT)), float) for x in places
        )
    assert np.abs(photo - first).mean() < 3  # the made first output is the photo
    assert np.abs(photo[::-1, ::-1] - corrected).mean() < 15
    assert np.abs(photo - corrected).mean() > 30


def test_sheets_that_an_earlier_report_had_more_of_are_removed(run, monkeypatch):
    write_report(run)
    monkeypatch.setattr(sheets_module, "MAX_SHEETS", 1)
    write_report(run)
    assert _names(run) == ["flagged-01.jpg", "ok-01.jpg"]
