"""A flagged shot is made again and the clip joined anew; what cannot be made better is not delivered."""

from pathlib import Path

import pandas as pd
import pytest

from pipelines.config import ComputeConfig
from pipelines.explain import explain
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.selection import Selection
from pipelines.video.correct import correct_clips
from pipelines.video.score import score_clips
from pipelines.video.shots import read_tries
from tests.pipelines.photo_folders import tree
from tests.pipelines.video.conftest import CUT
from tests.pipelines.video.made_clips import packets_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERIAL = ComputeConfig(workers=0)


def report_of(run: Run) -> pd.Series:
    write_report(run)
    report = pd.read_parquet(str(run.folder.report)).set_index("source")
    return report.loc["a.mkv"]  # pyrefly: ignore[bad-return]


def test_only_the_flagged_shot_is_made_again_and_a_second_call_adds_nothing(damaged, monkeypatch):
    run = damaged(lambda number: number >= CUT)
    row = report_of(run)
    assert (row["status"], row["reason"]) == ("flagged", "flicker")
    path = Path(str(run.folder.images("a.mkv")))
    before, sound = packets_of(path, "video"), packets_of(path, "audio")
    monkeypatch.undo()
    summary = correct_clips(run, SERIAL)
    assert (summary.done, summary.failed) == (1, ())
    row = report_of(run)
    assert (row["status"], row["strategy"], row["attempts"]) == ("corrected", "rerun_shared", 2)
    assert row["p_anomaly"] > 0.05
    after = packets_of(path, "video")
    assert after[:CUT] == before[:CUT]
    assert [at for at, _ in after] == [at for at, _ in before]
    assert all(a != b for a, b in zip(after[CUT:], before[CUT:], strict=True))
    assert packets_of(path, "audio") == sound
    shots = pd.read_parquet(str(run.folder.shots))
    assert shots["attempt_id"].unique().tolist() == [row["attempt_id"]]
    assert not shots["flagged"].any()
    (tried,) = read_tries(run.folder).values()
    assert (tried["shot"], tried["decision"], tried["attempt_no"]) == (1, "accepted", 2)
    assert packets_of(Path(str(run.folder.superseded("a.mkv"))), "video") == before
    files = tree(Path(str(run.folder.root)))
    again = correct_clips(run, SERIAL)
    assert (again.done, again.skipped) == (0, 1)
    write_report(run)
    kept = tree(Path(str(run.folder.root)))
    assert {name: kept[name] for name in files if name != "run.json"} == {
        name: data for name, data in files.items() if name != "run.json"
    }


def test_what_nothing_makes_better_goes_into_quarantine_with_all_its_tries(damaged):
    run = damaged(lambda _: True)
    assert correct_clips(run, SERIAL).done == 1
    row = report_of(run)
    assert (row["status"], row["output"]) == ("quarantined", "quarantine/a.mkv")
    assert not run.folder.images("a.mkv").exists()
    assert run.folder.quarantine("a.mkv").exists()
    tries = list(read_tries(run.folder).values())
    assert {try_["decision"] for try_ in tries} == {"refused"}
    assert all(try_["decision_reason"] for try_ in tries)
    notes = explain(run, "a.mkv").shots
    assert {note.number for note in notes} == {1, 2}
    strategies = ["rerun_shared", "temporal_blend", "lower_strength"]
    assert all([one.strategy for one in note.tries] == strategies for note in notes)
    assert not list(Path(str(run.folder.root)).glob("clips/*/shot-*"))
    assert correct_clips(run, SERIAL).done == 0


def test_killed_before_its_rows_a_correction_ends_the_same(damaged, monkeypatch):
    run = damaged(lambda number: number >= CUT)
    monkeypatch.undo()
    correct_clips(run, SERIAL)
    write_report(run)
    root = Path(str(run.folder.root))
    files = {n: d for n, d in tree(root).items() if n.startswith(("images", "superseded", "att"))}
    for part in root.glob("attempts/*.parquet"):
        if "accepted" in pd.read_parquet(part)["decision"].tolist():
            part.unlink()
    correct_clips(run, SERIAL)
    assert {n: d for n, d in tree(root).items() if n in files} == files


def test_a_damaged_file_is_joined_again_of_its_segments(damaged):
    run = damaged(lambda _: False)
    path = Path(str(run.folder.images("a.mkv")))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    for part in Path(str(run.folder.attempts)).glob("*.parquet"):
        part.unlink()
    score_clips(run, SERIAL)
    assert report_of(run)["reason"] == "unreadable"
    correct_clips(run, SERIAL)
    row = report_of(run)
    assert (row["status"], row["strategy"]) == ("corrected", "rejoin")
    assert path.read_bytes() == whole


def test_a_selection_and_a_share_of_nothing_leave_clips_alone(damaged, monkeypatch):
    run = damaged(lambda number: number >= CUT)
    monkeypatch.undo()
    assert correct_clips(run, SERIAL, only=Selection(reasons=("blur",))).total == 0
    summary = correct_clips(run, SERIAL, share=0.0)
    assert summary.done == 0
    assert "1 flagged clips were not tried" in summary.notes[0]
    assert report_of(run)["status"] == "flagged"
