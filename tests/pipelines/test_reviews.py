"""Verdicts: their merging, their import, and what becomes of rows and files."""

import csv
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from pipelines import verdict_files
from pipelines.parquet import list_parts
from pipelines.report import current_report, write_report
from pipelines.review_import import ReviewFileError, import_reviews
from pipelines.reviews import in_force, key_of, list_reviews
from pipelines.runs import Run, run_key
from tests.pipelines.made_runs import (
    MadePhoto,
    write_run,
)
from tests.pipelines.photo_folders import tree

OUTCOMES = ("ok", "unscored", "flagged", "corrected", "quarantined", "rejected")
_START = datetime(2026, 1, 1, tzinfo=UTC)

_reviews = st.lists(
    st.builds(
        lambda source, attempt, verdict, who, minute: {
            "source": source,
            "attempt_id": attempt,
            "output_sha256": "0" * 64,
            "verdict": verdict,
            "why": "",
            "reviewer": who,
            "time": _START + timedelta(minutes=minute),
        },
        st.sampled_from("ab"),
        st.sampled_from("12"),
        st.sampled_from(("good", "bad")),
        st.sampled_from(("Ada", "Bo")),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(deadline=None, derandomize=True)
@given(rows=_reviews, data=st.data())
def test_neither_order_nor_repetition_of_reviews_changes_what_is_in_force(rows, data):
    repeated = data.draw(st.permutations(rows + rows[: data.draw(st.integers(0, len(rows)))]))
    assert in_force(repeated) == in_force(rows)
    half = data.draw(st.integers(0, len(rows)))
    merged = [*in_force(rows[:half]).values(), *in_force(rows[half:]).values()]
    assert in_force(merged) == in_force(rows)


@settings(deadline=None, derandomize=True)
@given(rows=_reviews)
def test_the_last_word_counts_and_bad_at_the_same_moment(rows):
    for key, chosen in in_force(rows).items():
        mine = [row for row in rows if key_of(row) == key]
        last = max(row["time"] for row in mine)
        words = {row["verdict"] for row in mine if row["time"] == last}
        assert chosen["time"] == last
        assert chosen["verdict"] == ("bad" if "bad" in words else "good")
    assert in_force(rows).keys() == {key_of(row) for row in rows}


@pytest.fixture
def run(tmp_path) -> Run:
    """One photo of each outcome, with its pictures and its report."""
    photos = [MadePhoto(source=f"{outcome}.jpg", outcome=outcome) for outcome in OUTCOMES]
    # The digests of the files that lie there, as scoring and correction would have written them.
    made = write_run(tmp_path, photos, _digest_of)
    write_report(made)
    return made


def _digest_of(run: Run, row: dict[str, Any]) -> str:
    if row["decision"] == "refused":
        return "f" * 64
    name = row["output"]
    places = [run.folder.superseded(name), run.folder.quarantine(name), run.folder.images(name)]
    if row["decision"] == "accepted":
        places = places[2:]
    path = next(place for place in places if place.exists())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _row(run: Run, source: str) -> dict[str, Any]:
    report, _ = current_report(run)
    return next(row for row in report.to_pylist() if row["source"] == source)


def _table(run: Run, *rows: tuple[str, ...], name: str = "verdicts.csv") -> str:
    path = Path(str(run.folder.root)).parent / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "verdict", "why", "reviewer"), *rows])
    return str(path)


def _page_file(run: Run, *verdicts: dict[str, Any], key: str | None = None) -> str:
    path = Path(str(run.folder.root)).parent / "page.jsonl"
    lines = [{"ganst_reviews": 1, "run": key or run_key(run)}, *verdicts]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return str(path)


def _verdict(run: Run, source: str, verdict: str, **changes: str) -> dict[str, Any]:
    row = _row(run, source)
    return {
        "source": source,
        "attempt_id": row["attempt_id"],
        "output_sha256": row["output_sha256"],
        "verdict": verdict,
        "why": "",
        "reviewer": "Ada",
        "time": "2026-11-22T10:00:00.000Z",
    } | changes


def _take(run: Run, *rows: tuple[str, ...], name: str = "verdicts.csv") -> None:
    import_reviews(run, _table(run, *rows, name=name))
    write_report(run)


def _files(run: Run) -> dict[str, bytes]:
    found = tree(Path(str(run.folder.root)))
    places = ("images/", "quarantine/", "superseded/", "refused/", "report.parquet")
    return {name: data for name, data in found.items() if name.startswith(places)}


def test_good_waives_a_flag(run):
    _take(run, ("flagged.jpg", "good", "it is meant so", "Ada"))
    row = _row(run, "flagged.jpg")
    assert (row["status"], row["flagged"], row["was_flagged"]) == ("ok", False, True)
    assert (row["verdict"], row["verdict_why"]) == ("good", "it is meant so")


def test_good_brings_an_image_back_from_quarantine(run):
    before = _files(run)["quarantine/quarantined.jpg"]
    _take(run, ("quarantined.jpg", "Good"))
    row = _row(run, "quarantined.jpg")
    assert (row["status"], row["output"]) == ("ok", "images/quarantined.jpg")
    assert _files(run)["images/quarantined.jpg"] == before
    assert "quarantine/quarantined.jpg" not in _files(run)


def test_bad_after_good_puts_it_back_into_quarantine(run):
    before = _files(run)
    _take(run, ("quarantined.jpg", "good"))
    _take(run, ("quarantined.jpg", "bad"), name="later.csv")
    assert _row(run, "quarantined.jpg")["status"] == "quarantined"
    after = _files(run)
    del before["report.parquet"], after["report.parquet"]
    assert after == before


def test_bad_flags_an_image_that_had_passed(run):
    _take(run, ("ok.jpg", "bad", "six fingers"))
    row = _row(run, "ok.jpg")
    assert (row["status"], row["flagged"], row["was_flagged"]) == ("flagged", True, False)
    assert (row["reason"], row["verdict_why"]) == ("reviewed_bad", "six fingers")
    assert "images/ok.jpg" in _files(run)


def test_bad_without_any_score_is_quarantined_because_nothing_could_judge_a_correction(run):
    _take(run, ("unscored.jpg", "bad"))
    assert _row(run, "unscored.jpg")["status"] == "quarantined"
    assert "images/unscored.jpg" not in _files(run)
    assert "quarantine/unscored.jpg" in _files(run)


def test_bad_withdraws_a_corrected_image_and_good_takes_it_back(run):
    before = _files(run)
    accepted = _verdict(run, "corrected.jpg", "bad")
    import_reviews(run, _page_file(run, accepted))
    write_report(run)
    assert _row(run, "corrected.jpg")["status"] == "quarantined"
    assert "images/corrected.jpg" not in _files(run)
    assert _files(run)["quarantine/corrected.jpg"] == before["superseded/corrected.jpg"]
    again = accepted | {"verdict": "good", "time": "2026-11-22T11:00:00.000Z"}
    import_reviews(run, _page_file(run, again))
    write_report(run)
    assert _row(run, "corrected.jpg")["status"] == "corrected"
    after = _files(run)
    for place in ("images", "superseded"):
        assert after[f"{place}/corrected.jpg"] == before[f"{place}/corrected.jpg"]
    assert "quarantine/corrected.jpg" not in after


def test_a_verdict_on_an_earlier_output_does_not_cover_what_is_delivered_now(run):
    _, tries = current_report(run)
    first = next(
        row
        for row in tries.to_pylist()
        if row["source"] == "corrected.jpg" and row["decision"] == "first"
    )
    bound = {name: first[name] for name in ("attempt_id", "output_sha256")}
    import_reviews(run, _page_file(run, _verdict(run, "corrected.jpg", "good", **bound)))
    summary = write_report(run)
    row = _row(run, "corrected.jpg")
    assert (row["status"], row["verdict"]) == ("corrected", None)
    assert (summary.reviews.flags_reviewed, summary.reviews.precision) == (1, 0.0)


def test_the_precision_is_that_of_the_reviewed_flags(run):
    _take(run, ("flagged.jpg", "bad"), ("quarantined.jpg", "good"), ("ok.jpg", "bad"))
    reviews = json.loads(run.folder.summary.read_text())["reviews"]
    assert (reviews["flags_confirmed"], reviews["flags_reviewed"]) == (1, 2)
    assert reviews["precision"] == 0.5
    assert 0.09 < reviews["precision_low"] < 0.1
    assert (reviews["passed_bad"], reviews["passed_reviewed"]) == (1, 1)
    assert "1 of 2 reviewed flags" in run.folder.report_html.read_text()


def test_the_same_file_again_adds_nothing(run):
    file = _table(run, ("ok.jpg", "bad"))
    assert import_reviews(run, file).new == 1
    write_report(run)
    before = tree(Path(str(run.folder.root)))
    again = import_reviews(run, file)
    write_report(run)
    assert (again.verdicts, again.new) == (1, 0)
    assert tree(Path(str(run.folder.root))) == before


def test_a_longer_download_of_the_page_adds_only_what_is_new(run):
    one, two = _verdict(run, "ok.jpg", "good"), _verdict(run, "flagged.jpg", "bad")
    import_reviews(run, _page_file(run, one))
    assert import_reviews(run, _page_file(run, one, two)).new == 1
    assert [row["in_force"] for row in list_reviews(run.folder)] == [True, True]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("none.jpg", "good")], "line 3: there is no photo 'none.jpg' in this run."),
        ([("flagged.jpg", "bad")], "line 3: 'flagged.jpg' has a verdict on line 2 already."),
        ([("ok.jpg", "fine")], "line 3: the verdict 'fine' is neither good nor bad."),
        ([("rejected.jpg", "bad")], "line 3: 'rejected.jpg' has no output to judge"),
        ([("../ok.jpg", "bad")], "line 3: there is no photo '../ok.jpg'"),
    ],
)
def test_a_table_with_a_bad_line_is_refused_whole(run, rows, sentence):
    with pytest.raises(ReviewFileError) as error:
        import_reviews(run, _table(run, ("flagged.jpg", "good"), *rows))
    assert sentence in str(error.value)
    assert list_parts(run.folder.reviews) == []


def test_a_table_without_its_columns_is_refused(run, tmp_path):
    (tmp_path / "odd.csv").write_text("file,good\nok.jpg,yes\n")
    with pytest.raises(ReviewFileError, match="line 1: there is no column 'source'"):
        import_reviews(run, str(tmp_path / "odd.csv"))


def test_a_table_of_a_spreadsheet_with_semicolons_is_read(run, tmp_path):
    (tmp_path / "odd.csv").write_bytes("\ufeffsource;verdict;why\nok.jpg;bad;zu grün\n".encode())
    assert import_reviews(run, str(tmp_path / "odd.csv")).new == 1
    assert list_reviews(run.folder)[0]["why"] == "zu grün"


def test_a_table_that_a_person_typed_is_read(run, tmp_path):
    (tmp_path / "odd.csv").write_text("Source\tVerdict \n ok.jpg\t Bad\n\n")
    assert import_reviews(run, str(tmp_path / "odd.csv")).new == 1
    (review,) = list_reviews(run.folder)
    assert (review["source"], review["verdict"]) == ("ok.jpg", "bad")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "line 1: there is no column 'source'"),
        ("source,verdict\n".encode("utf-16"), "line 1: it is no text in UTF-8"),
        (b'"source,verdict\nok.jpg,bad', "line 1: it is no CSV"),
        (b"source,verdict\nok.jpg\n", "line 2: the verdict '' is neither good nor bad"),
        (b"\x00\x01", "line 1: there is no column 'source'"),
    ],
)
def test_what_is_no_table_of_verdicts_is_refused_in_a_sentence(run, tmp_path, content, sentence):
    (tmp_path / "odd.csv").write_bytes(content)
    with pytest.raises(ReviewFileError) as error:
        import_reviews(run, str(tmp_path / "odd.csv"))
    assert sentence in str(error.value)
    assert list_parts(run.folder.reviews) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": "so-so"}, "line 2: the verdict 'so-so' is neither good nor bad."),
        ({"attempt_id": "e" * 32}, "line 2: this run has made no such output of 'ok.jpg'."),
        ({"time": "noon"}, "line 2: 'noon' is no time."),
        ({"why": 3}, "line 2: 'why' is 3, not a text."),
    ],
)
def test_a_file_of_the_page_with_a_bad_line_is_refused(run, changes, sentence):
    with pytest.raises(ReviewFileError) as error:
        import_reviews(run, _page_file(run, _verdict(run, "ok.jpg", "good") | changes))
    assert str(error.value).endswith(sentence)
    assert list_parts(run.folder.reviews) == []


def test_a_file_of_another_run_is_refused(run):
    with pytest.raises(ReviewFileError, match="line 1: it was made on the page of another run"):
        import_reviews(run, _page_file(run, key="0123456789abcdef"))


@pytest.mark.parametrize("step", range(1, 5))
def test_killed_between_two_steps_the_same_command_ends_in_the_same_files(run, monkeypatch, step):
    """Both directions at once: out of quarantine, and out of images."""
    file = _page_file(
        run,
        _verdict(run, "quarantined.jpg", "good"),
        _verdict(run, "corrected.jpg", "bad"),
        _verdict(run, "unscored.jpg", "bad"),
    )
    calls = iter(range(1, 100))

    def copy(source: UPath, target: UPath) -> None:
        if next(calls) == step:
            raise KeyError(step)
        real(source, target)

    real = verdict_files.copy_file
    with monkeypatch.context() as patch:
        patch.setattr(verdict_files, "copy_file", copy)
        patch.setattr("pipelines.placing.copy_file", copy)
        import_reviews(run, file)
        with pytest.raises(KeyError):
            write_report(run)
    import_reviews(run, file)
    write_report(run)
    killed = _files(run)
    assert {n for n in killed if not n.startswith("report")} == {
        "images/flagged.jpg",
        "images/ok.jpg",
        "images/quarantined.jpg",
        "quarantine/corrected.jpg",
        "quarantine/unscored.jpg",
        "refused/" + _verdict_attempt(run) + "/corrected.jpg",
    }
    write_report(run)
    assert _files(run) == killed


def _verdict_attempt(run: Run) -> str:
    return next(r["attempt_id"] for r in list_reviews(run.folder) if r["source"] == "corrected.jpg")
