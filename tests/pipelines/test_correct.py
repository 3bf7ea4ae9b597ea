from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from ganst.correction.acceptance import Verdict
from ganst.correction.regions import RegionRepair
from ganst.correction.strategies import JUDGING, ShiftAverage
from ganst.models.stylepack import StylePack
from ganst.scoring.calibration import JUDGED
from ganst.scoring.relative import RunScale
from pipelines import candidates, correction_budget, correction_plan, placing
from pipelines import correct as correct_module
from pipelines.attempts import read_attempts
from pipelines.candidates import Tried, better, read_pairs
from pipelines.config import ComputeConfig
from pipelines.correct import correct, systemic_fault
from pipelines.correction_plan import current_attempts, plan_corrections
from pipelines.ingest import ingest
from pipelines.judging import outputs_job
from pipelines.parquet import list_parts, read_table
from pipelines.report import write_report
from pipelines.review_import import import_reviews
from pipelines.reviews import read_verdicts
from pipelines.runs import Run
from pipelines.schema import REPORT
from pipelines.score import score
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.correct_driver import negative_decode
from tests.pipelines.photo_folders import make_run, tree
from tests.pipelines.scenes import make_scenes

SERIAL = ComputeConfig(workers=0)
FIRST = 5008  # scenes whose outputs are nowhere near the flag level


@pytest.fixture
def damaged_run(tmp_path, calibrated_pack) -> Run:
    """Three outputs, one of them inverted on disk before it was scored."""
    run = scored_run(tmp_path, calibrated_pack, damaged=("a0.png",))
    found = attempts(run)
    assert [row["flagged"] for row in found["a0.png"]] == [True]
    return run


def scored_run(tmp_path: Path, pack: StylePack, damaged: tuple[str, ...]) -> Run:
    photos = make_scenes(tmp_path / "photos", 3, first=FIRST)
    run = make_run(photos, tmp_path / "RUN", pack)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    for name in damaged:
        path = Path(str(run.folder.images(name)))
        ImageOps.invert(Image.open(path)).save(path)
    score(run, SERIAL)
    return run


def attempts(run: Run) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in read_attempts(run.folder).to_pylist():
        found.setdefault(row["source"], []).append(row)
    return {name: sorted(rows, key=lambda row: row["attempt_no"]) for name, rows in found.items()}


def delivered(run: Run, place: str) -> dict[str, bytes]:
    return tree(Path(str(run.folder.root / place)))


def test_a_damaged_output_is_made_again_and_replaced(damaged_run):
    before = delivered(damaged_run, "images")
    summary = correct(damaged_run, SERIAL)
    first, second = attempts(damaged_run)["a0.png"]
    assert (summary.total, summary.done, summary.failed) == (1, 1, ())
    assert second["decision"] == "accepted"
    assert second["strategy"] == "rerun_fp32"
    assert second["parent_attempt_id"] == first["attempt_id"]
    assert second["p_anomaly"] >= 0.1 > first["p_anomaly"]
    after = delivered(damaged_run, "images")
    assert after["a0.png"] != before["a0.png"]
    assert {k: v for k, v in after.items() if k != "a0.png"} == {
        k: v for k, v in before.items() if k != "a0.png"
    }
    assert delivered(damaged_run, "superseded") == {"a0.png": before["a0.png"]}


def test_correcting_twice_makes_no_new_attempt(damaged_run):
    correct(damaged_run, SERIAL)
    before = tree(Path(str(damaged_run.folder.root)))
    summary = correct(damaged_run, SERIAL)
    assert (summary.done, summary.skipped) == (0, 1)
    assert tree(Path(str(damaged_run.folder.root))) == before


def test_scoring_after_a_correction_adds_nothing(damaged_run):
    correct(damaged_run, SERIAL)
    assert score(damaged_run, SERIAL).done == 0


def test_what_no_strategy_mends_is_quarantined_with_every_try_on_record(damaged_run, monkeypatch):
    monkeypatch.setattr("pipelines.candidates.decode", negative_decode)
    before = delivered(damaged_run, "images")
    correct(damaged_run, SERIAL)
    _, *tries = attempts(damaged_run)["a0.png"]
    assert 1 <= len(tries) <= 3
    assert all(row["decision"] == "refused" and row["decision_reason"] for row in tries)
    assert "a0.png" not in delivered(damaged_run, "images")
    assert delivered(damaged_run, "quarantine") == {"a0.png": before["a0.png"]}
    assert correct(damaged_run, SERIAL).done == 0


@pytest.mark.parametrize("moment", ["before the copy", "after the copy", "after the image"])
def test_a_call_killed_at_any_moment_is_repeated_with_the_same_end(
    tmp_path, calibrated_pack, monkeypatch, moment
):
    undisturbed = scored_run(tmp_path / "one", calibrated_pack, ("a0.png",))
    correct(undisturbed, SERIAL)
    killed = scored_run(tmp_path / "two", calibrated_pack, ("a0.png",))
    with monkeypatch.context() as patch:
        kill_at(patch, moment)
        assert correct(killed, SERIAL).failed
    assert len(attempts(killed)["a0.png"]) == 1
    correct(killed, SERIAL)
    for place in ("images", "superseded", "quarantine"):
        assert delivered(killed, place) == delivered(undisturbed, place)
    assert attempts(killed) == attempts(undisturbed)


def kill_at(patch: pytest.MonkeyPatch, moment: str) -> None:
    """Fail the write that follows `moment`, as a kill would."""

    def killed(*_: object, **__: object) -> None:
        raise KeyError(moment)

    # The flagged output is copied aside, the correction takes its place, then the rows are written.
    writes = {
        "before the copy": (placing, "copy_file"),
        "after the copy": (placing, "commit_bytes"),
        "after the image": (correct_module, "commit_table"),
    }
    patch.setattr(*writes[moment], killed)


def test_where_a_third_is_flagged_nothing_is_corrected_and_it_says_why():
    scored = {
        "decision": "first",
        "score_status": "scored",
        "group": None,
        "p_source": 0.5,
        "p_anomaly": 0.5,
    }
    flags = [True] * 7 + [False] * 13
    made = {str(index): [scored | {"flagged": flag}] for index, flag in enumerate(flags)}
    assert "7 of 20 outputs are flagged" in (systemic_fault(made) or "")
    assert systemic_fault(made | {"6": [scored | {"flagged": False}]}) is None
    few = dict(list(made.items())[:19])
    assert systemic_fault(few) is None


def test_where_all_outputs_have_moved_nothing_is_corrected_though_few_are_flagged():
    row = {"decision": "first", "score_status": "scored", "flagged": False}
    row |= {"p_source": 0.5, "p_anomaly": 0.1}
    moved = {str(index): [row | {"group": str(index)}] for index in range(20)}
    moved["3"][0]["flagged"] = True
    assert "the outputs are not what this style gives" in (systemic_fault(moved) or "")
    drifted = {name: [rows[0] | {"p_source": 0.01}] for name, rows in moved.items()}
    assert "calibrate the style on photos like these" in (systemic_fault(drifted) or "")


def test_a_systemic_fault_stops_the_stage_before_any_attempt(damaged_run, monkeypatch):
    monkeypatch.setattr(correct_module, "SYSTEMIC_MIN", 3)
    summary = correct(damaged_run, SERIAL)
    assert "correction was not started: 1 of 3" in summary.failed[0]
    assert len(attempts(damaged_run)["a0.png"]) == 1
    assert len(list_parts(damaged_run.folder.attempts)) >= 1


def test_a_photo_that_changed_meanwhile_is_refused_not_guessed(damaged_run, tmp_path):
    (tmp_path / "photos" / "a0.png").write_bytes(b"other bytes")
    correct(damaged_run, SERIAL)
    tries = attempts(damaged_run)["a0.png"][1:]
    assert tries
    assert all("cannot be read" in row["decision_reason"] for row in tries)


def say(run: Run, source: str, verdict: str) -> None:
    """A person's verdict on what is delivered now, taken in and followed."""
    table = Path(str(run.folder.root)).parent / f"{source}-{verdict}.csv"
    table.write_text(f"source,verdict\n{source},{verdict}\n")
    import_reviews(run, str(table))
    write_report(run)


def test_a_correction_does_not_overwrite_the_score_of_an_image_alone_in_its_shard(
    tmp_path, calibrated_pack
):
    run = scored_run(tmp_path, calibrated_pack, damaged=("c2.png",))
    correct(run, SERIAL)
    assert {name: len(rows) for name, rows in attempts(run).items()} == {
        "a0.png": 1,
        "b1.png": 1,
        "c2.png": 2,
    }


def test_what_a_person_waives_is_not_corrected(damaged_run):
    before = delivered(damaged_run, "images")
    say(damaged_run, "a0.png", "good")
    assert correct(damaged_run, SERIAL).total == 0
    assert delivered(damaged_run, "images") == before


def test_what_a_person_finds_bad_is_made_again_or_quarantined(damaged_run):
    say(damaged_run, "a0.png", "good")
    say(damaged_run, "b1.png", "bad")
    summary = correct(damaged_run, SERIAL)
    tries = attempts(damaged_run)["b1.png"][1:]
    assert (summary.total, summary.done) == (1, 1)
    assert tries
    counts = write_report(damaged_run).counts
    assert counts["corrected"] + counts["quarantined"] == 1
    assert correct(damaged_run, SERIAL).done == 0


def test_after_a_person_refused_a_correction_the_ladder_goes_on_behind_it(damaged_run, monkeypatch):
    correct(damaged_run, SERIAL)
    known = attempts(damaged_run)["a0.png"]
    refused = delivered(damaged_run, "images")["a0.png"]
    ladder = correction_plan._ladder
    monkeypatch.setattr(
        correction_plan,
        "_ladder",
        lambda run, row, **how: (*ladder(run, row, **how)[:1], ShiftAverage()),
    )
    say(damaged_run, "a0.png", "bad")
    assert "a0.png" not in delivered(damaged_run, "images")
    summary = correct(damaged_run, SERIAL)
    after = attempts(damaged_run)["a0.png"]
    assert summary.done == 1
    assert after[: len(known)] == known
    assert [row["strategy"] for row in after[len(known) :]] == ["shift_average"]
    assert after[-1]["attempt_no"] == 3
    assert delivered(damaged_run, "images").get("a0.png") != refused
    assert correct(damaged_run, SERIAL).done == 0


def test_what_is_as_the_network_wrote_it_is_not_run_again_in_the_same_way(damaged_run):
    say(damaged_run, "b1.png", "bad")
    verdicts = read_verdicts(damaged_run.folder)
    planned = {
        image.row["source"]: [strategy.name for _, strategy in image.steps]
        for image in plan_corrections(damaged_run, current_attempts(damaged_run), verdicts)
    }
    assert planned["a0.png"][0] == "rerun_fp32"  # somebody inverted it
    assert planned["b1.png"]
    assert "rerun_fp32" not in planned["b1.png"]
    halved = replace(damaged_run, precision="bf16")
    planned = {
        image.row["source"]: image.steps[0][1].name
        for image in plan_corrections(halved, current_attempts(halved), verdicts)
    }
    assert planned == {"a0.png": "rerun", "b1.png": "rerun_fp32"}


def test_an_image_is_compared_with_good_outputs_of_other_photos(damaged_run):
    (image,) = plan_corrections(damaged_run, current_attempts(damaged_run))
    assert [row["source"] for row in image.others] == ["b1.png", "c2.png"]
    job = outputs_job(damaged_run)
    pairs = read_pairs(image.others, job, damaged_run.folder)
    assert all(photo.shape == output.shape for photo, output in pairs)
    (Path(job.photos) / "b1.png").write_bytes(b"gone")
    assert len(read_pairs(image.others, job, damaged_run.folder)) == len(pairs) - 1 == 1


@pytest.fixture
def in_single_waves(monkeypatch):
    monkeypatch.setattr(correction_budget, "WAVE", 1)


@pytest.mark.usefixtures("in_single_waves")
def test_when_the_budget_is_spent_the_rest_stays_flagged_and_it_says_so(
    tmp_path, calibrated_pack, monkeypatch
):
    run = scored_run(tmp_path, calibrated_pack, damaged=("a0.png", "b1.png"))
    monkeypatch.setattr(correction_budget, "SMALLEST_BUDGET", 1.5)
    before = delivered(run, "images")
    summary = correct(run, SERIAL)
    assert (summary.total, summary.done, summary.failed) == (1, 1, ())
    assert "1 flagged output was not tried" in summary.notes[-1]
    counts = write_report(run).counts
    assert (counts["corrected"], counts["flagged"]) == (1, 1)
    (left,) = [name for name in ("a0.png", "b1.png") if len(attempts(run)[name]) == 1]
    assert delivered(run, "images")[left] == before[left]
    assert correct(run, SERIAL).done == 0
    again = correct(run, SERIAL, share=1e6)
    assert (again.done, again.skipped, again.notes) == (1, 1, ())


def test_with_no_share_nothing_is_tried(damaged_run):
    before = delivered(damaged_run, "images")
    summary = correct(damaged_run, SERIAL, share=0.0)
    assert (summary.total, summary.done) == (0, 0)
    assert "the budget is 0" in summary.notes[-1]
    assert delivered(damaged_run, "images") == before


@pytest.mark.usefixtures("in_single_waves")
def test_a_strategy_that_was_switched_off_is_not_tried_on_the_next_image(
    tmp_path, calibrated_pack, monkeypatch
):
    run = scored_run(tmp_path, calibrated_pack, damaged=("a0.png", "b1.png"))
    monkeypatch.setattr(correction_budget, "FAILURES_IN_A_ROW", 1)
    monkeypatch.setattr("pipelines.candidates.decode", negative_decode)
    summary = correct(run, SERIAL)
    tried = sorted((attempts(run)[name][1:] for name in ("a0.png", "b1.png")), key=len)
    first, second = ({row["strategy"] for row in rows} for rows in reversed(tried))
    assert first
    assert not first & second
    assert any("rerun_fp32 was switched off" in note for note in summary.notes)


@pytest.mark.usefixtures("in_single_waves")
def test_waves_do_not_change_what_becomes_of_an_image(tmp_path, calibrated_pack, monkeypatch):
    waved = scored_run(tmp_path / "one", calibrated_pack, ("a0.png", "b1.png"))
    correct(waved, SERIAL)
    monkeypatch.setattr(correction_budget, "WAVE", 32)
    whole = scored_run(tmp_path / "two", calibrated_pack, ("a0.png", "b1.png"))
    correct(whole, SERIAL)
    assert attempts(waved) == attempts(whole)
    assert delivered(waved, "images") == delivered(whole, "images")


def refuse_all(patch: pytest.MonkeyPatch) -> None:
    """Candidates, and files that have their first bytes again; each as good as it is."""
    patch.setattr("ganst.correction.acceptance.MIN_P", 2.0)
    patch.setattr("ganst.correction.acceptance._would_be_flagged", lambda *_: "refused")


def test_every_damaged_file_gets_one_try_before_any_image_gets_a_second(
    tmp_path, calibrated_pack, monkeypatch
):
    names = ("a0.png", "b1.png", "c2.png")
    run = scored_run(tmp_path, calibrated_pack, damaged=names)
    monkeypatch.setattr(correct_module, "SYSTEMIC_MIN", 9)
    real, order = candidates.try_candidate, []

    def seen(source, candidate, parent, siblings, bench) -> Verdict:
        order.append(len(siblings))
        return real(source, candidate, parent, siblings, replace(bench, alpha=1.0))  # none passes

    monkeypatch.setattr(candidates, "try_candidate", seen)
    ladder = correction_plan._ladder
    monkeypatch.setattr(
        correction_plan,
        "_ladder",
        lambda run, row, **how: (*ladder(run, row, **how)[:1], ShiftAverage()),
    )
    correct(run, SERIAL)
    assert order == [
        0,
        0,
        0,
        *([0, 1] * 3),
    ]  # the first is judged anew: the second is compared with it
    assert [len(attempts(run)[name]) for name in names] == [3, 3, 3]
    assert (
        sum(pq.read_metadata(str(part)).num_rows for part in list_parts(run.folder.attempts)) == 9
    )
    assert correct(run, SERIAL).done == 0
    assert len(order) == 9


def test_a_budget_that_one_ladder_would_eat_up_mends_two_files(
    tmp_path, calibrated_pack, monkeypatch
):
    run = scored_run(tmp_path, calibrated_pack, damaged=("a0.png", "b1.png"))
    ladder, worst = correction_plan._ladder, []
    monkeypatch.setattr(
        correction_plan,
        "_ladder",
        lambda run, row, **how: (*ladder(run, row, **how)[:1], ShiftAverage(), RegionRepair()),
    )
    real = candidates.try_candidate

    def first_one_fails(source, candidate, parent, siblings, bench) -> Verdict:
        worst.append(source.sum().item())
        hopeless = worst[0] == worst[-1]
        return real(
            source, candidate, parent, siblings, replace(bench, alpha=1.0) if hopeless else bench
        )

    monkeypatch.setattr(candidates, "try_candidate", first_one_fails)
    enough_for_two = 2 * (JUDGING + 0.1)
    monkeypatch.setattr(correction_budget, "SMALLEST_BUDGET", enough_for_two)
    summary = correct(run, SERIAL)
    made = {name: [row["decision"] for row in rows[1:]] for name, rows in attempts(run).items()}
    assert sorted(made.values()) == [[], ["accepted"], ["suggested"]], made
    assert (summary.total, summary.done) == (2, 2)
    again = correct(run, SERIAL)
    assert (again.done, again.skipped) == (0, 2)


def test_the_best_of_the_refused_is_kept_beside_the_quarantined_one_and_not_delivered(
    damaged_run, monkeypatch
):
    refuse_all(monkeypatch)
    correct(damaged_run, SERIAL)
    tries = attempts(damaged_run)["a0.png"][1:]
    *earlier, best = [row for row in tries if row["decision"] == "suggested"]
    assert [row["attempt_no"] for row in earlier] in ([], [2])  # the best of the first turn
    assert best["decision_reason"]
    assert best["anomaly"] == min(row["anomaly"] for row in tries if row["anomaly"] is not None)
    kept = delivered(damaged_run, "refused")
    assert set(kept) == {f"{row['attempt_id']}/a0.png" for row in (*earlier, best)}
    write_report(damaged_run)
    rows = read_table(damaged_run.folder.report, REPORT).to_pylist()
    (row,) = [row for row in rows if row["source"] == "a0.png"]
    assert row["suggestion"] == f"refused/{best['attempt_id']}/a0.png"
    assert "a0.png" not in delivered(damaged_run, "images")
    assert correct(damaged_run, SERIAL).done == 0


def test_a_suggestion_that_a_person_takes_is_delivered_and_left_alone(damaged_run, monkeypatch):
    with monkeypatch.context() as patch:
        refuse_all(patch)
        correct(damaged_run, SERIAL)
    write_report(damaged_run)
    (kept,) = delivered(damaged_run, "refused").values()
    say(damaged_run, "a0.png", "suggestion")
    assert delivered(damaged_run, "images")["a0.png"] == kept
    assert delivered(damaged_run, "quarantine") == {}
    for _ in range(2):
        assert correct(damaged_run, SERIAL, share=10.0).total == 0
    ladder = correction_plan._ladder
    monkeypatch.setattr(
        correction_plan,
        "_ladder",
        lambda run, row, **how: (*ladder(run, row, **how), ShiftAverage()),
    )
    assert correct(damaged_run, SERIAL).total == 0
    assert delivered(damaged_run, "images")["a0.png"] == kept


def test_what_is_no_output_of_this_photo_is_not_suggested(damaged_run, monkeypatch):
    monkeypatch.setattr("ganst.correction.acceptance.another_photos", lambda *_: "another photo's")
    correct(damaged_run, SERIAL)
    tries = attempts(damaged_run)["a0.png"][1:]
    assert tries
    assert {row["decision"] for row in tries} == {"refused"}
    assert delivered(damaged_run, "refused") == {}


def test_what_may_be_the_photo_in_disguise_is_suggested_after_all_that_is_not():
    close, clear, poor, none = (
        Tried(row={"attempt_no": number}, promise=promise)
        for number, promise in enumerate([(True, 0.5), (False, 2.0), (False, 3.0), None])
    )
    best = None
    for tried in (none, close, poor, clear, close):
        best = better(best, tried)
    assert best is clear
    assert better(close, none) is close
    assert better(None, none) is None


def test_workers_are_told_what_is_usual_in_a_run_whose_photos_have_moved(damaged_run, monkeypatch):
    elsewhere = RunScale(middle=np.full(len(JUDGED), -6.0), spread=np.ones(len(JUDGED)))
    monkeypatch.setattr(correct_module, "run_scale", lambda *_: elsewhere)
    correct(damaged_run, SERIAL)
    rerun = attempts(damaged_run)["a0.png"][1]
    assert rerun["decision"] != "accepted"
    assert "stands out among the outputs of this run" in rerun["decision_reason"]


def test_only_the_very_bytes_that_the_network_gave_count_as_restored(damaged_run, monkeypatch):
    told = []
    real = candidates.try_candidate

    def seen(source, candidate, parent, siblings, bench) -> Verdict:
        known = bench.rendering and bench.rendering.pixels
        told.append((bench.restored, known is not None))
        refused = replace(bench, alpha=1.0)  # so that the whole ladder is tried
        return real(source, candidate, parent, siblings, refused)

    monkeypatch.setattr(candidates, "try_candidate", seen)
    say(damaged_run, "b1.png", "bad")
    correct(damaged_run, SERIAL)
    rows = attempts(damaged_run)
    assert [row["strategy"] for row in rows["a0.png"][1:2]] == ["rerun_fp32"]
    # In its second turn the damaged file is made again, before what comes after it.
    turns = min(2, len(rows["a0.png"]) - 1)
    assert [restored for restored, _ in told] == [True] * turns + [False] * (len(told) - turns)
    # What the network makes of the photo is known but for the damaged file, until it is made anew.
    assert [has_rendering for _, has_rendering in told] == [False] * turns + [True] * (
        len(told) - turns
    )
    tries = [row for name in ("a0.png", "b1.png") for row in rows[name][1:]]
    made = [row for row in tries if row["score_status"] == "scored"]
    assert len(told) == len(made) + turns - 1


def test_outputs_that_changed_places_are_known_as_damaged(tmp_path, calibrated_pack):
    run = scored_run(tmp_path, calibrated_pack, damaged=())
    made = read_stylized(run.folder).to_pylist()
    digests = {row["source"]: row["output_sha256"] for row in made}
    rows = current_attempts(run)
    for one, other in (("a0.png", "b1.png"), ("b1.png", "a0.png")):
        rows[one][0] |= {"output_sha256": digests[other], "flagged": True}
    planned = plan_corrections(run, rows)
    assert {image.row["source"]: image.damaged for image in planned} == {
        "a0.png": True,
        "b1.png": True,
    }


def test_a_file_that_is_not_what_the_network_gave_is_known_as_damaged(damaged_run):
    say(damaged_run, "b1.png", "bad")
    verdicts = read_verdicts(damaged_run.folder)
    planned = plan_corrections(damaged_run, current_attempts(damaged_run), verdicts)
    assert {image.row["source"]: image.damaged for image in planned} == {
        "a0.png": True,
        "b1.png": False,
    }
    assert {image.pixels for image in planned} == {_pixels(damaged_run, "a0.png")}


def _pixels(run: Run, name: str) -> int:
    with Image.open(str(run.folder.images(name))) as image:
        return image.width * image.height
