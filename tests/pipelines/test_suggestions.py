"""A refused correction that is kept for a person: in the report, taken or not by a verdict."""

from pathlib import Path

import pytest

from pipelines.report import current_report, write_report
from pipelines.review_import import ReviewFileError, import_reviews
from pipelines.runs import Run
from tests.pipelines.made_runs import MadePhoto, photo_bytes, write_run
from tests.pipelines.photo_folders import tree

PHOTOS = [
    MadePhoto(source="kept.jpg", outcome="quarantined", is_suggested=True),
    MadePhoto(source="lost.jpg", outcome="quarantined"),
    MadePhoto(source="fine.jpg"),
]


@pytest.fixture
def run(tmp_path) -> Run:
    made = write_run(tmp_path, PHOTOS)
    write_report(made)
    return made


def row(run: Run, source: str) -> dict:
    report, _ = current_report(run)
    return next(row for row in report.to_pylist() if row["source"] == source)


def say(run: Run, source: str, verdict: str) -> None:
    table = Path(str(run.folder.root)).parent / f"{verdict}.csv"
    table.write_text(f"source,verdict\n{source},{verdict}\n")
    import_reviews(run, str(table))
    write_report(run)


def places(run: Run, source: str) -> set[str]:
    names = ("images", "quarantine", "superseded")
    root = Path(str(run.folder.root))
    return {name for name in names if (root / name / source).exists()}


def test_the_report_names_the_suggestion_of_what_is_in_quarantine_and_of_nothing_else(run):
    suggestion = row(run, "kept.jpg")["suggestion"]
    assert (Path(str(run.folder.root)) / suggestion).read_bytes() == photo_bytes("suggestion")
    assert row(run, "kept.jpg")["status"] == "quarantined"
    assert row(run, "lost.jpg")["suggestion"] is None
    assert row(run, "fine.jpg")["suggestion"] is None


def test_no_suggestion_is_delivered_by_itself(run):
    for _ in range(2):
        write_report(run)
        assert places(run, "kept.jpg") == {"quarantine"}


def test_taken_it_is_delivered_unflagged_and_the_first_output_is_set_aside(run):
    say(run, "kept.jpg", "suggestion")
    taken = row(run, "kept.jpg")
    assert (taken["status"], taken["output"]) == ("corrected", "images/kept.jpg")
    assert (taken["strategy"], taken["flagged"], taken["verdict"]) == ("rerun_fp32", False, "good")
    assert taken["suggestion"] is None
    assert places(run, "kept.jpg") == {"images", "superseded"}
    delivered = Path(str(run.folder.root)) / "images" / "kept.jpg"
    assert delivered.read_bytes() == photo_bytes("suggestion")
    before = tree(Path(str(run.folder.root)))
    write_report(run)
    assert tree(Path(str(run.folder.root))) == before


def test_taken_and_then_found_bad_it_is_in_quarantine_again_and_no_longer_suggested(run):
    say(run, "kept.jpg", "suggestion")
    say(run, "kept.jpg", "bad")
    refused = row(run, "kept.jpg")
    assert (refused["status"], refused["suggestion"]) == ("quarantined", None)
    assert places(run, "kept.jpg") == {"quarantine"}
    say(run, "kept.jpg", "good")  # of the first output, which is what lies there now
    assert row(run, "kept.jpg")["status"] == "ok"
    assert places(run, "kept.jpg") == {"images"}


@pytest.mark.parametrize("source", ["lost.jpg", "fine.jpg"])
def test_where_there_is_none_it_cannot_be_taken(run, source):
    with pytest.raises(ReviewFileError, match=f"line 2: there is no suggestion for '{source}'"):
        say(run, source, "suggestion")
