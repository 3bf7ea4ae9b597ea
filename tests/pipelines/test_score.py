import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from ganst.models.stylepack import CALIBRATION_FILE, StylePack, load_stylepack
from ganst.scoring.calibration import Calibration, CalibrationError
from ganst.scoring.columns import COLUMN_NAMES
from pipelines import style_folders
from pipelines.attempts import read_attempts
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.pairs import match_pairs
from pipelines.runs import Run
from pipelines.score import score, score_pairs
from pipelines.stylize import stylize
from tests.pipelines.photo_folders import make_run, make_style, tree
from tests.pipelines.scenes import make_scenes, scene

SERIAL = ComputeConfig(workers=0)


def stylized_run(tmp_path: Path, pack: StylePack, num: int = 4, **config: object) -> Run:
    photos = make_scenes(tmp_path / "photos", num, first=5000)
    run = make_run(photos, tmp_path / "RUN", pack, **config)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    return run


def rows(run: Run) -> dict[str, dict]:
    return {row["source"]: row for row in read_attempts(run.folder).to_pylist()}


def test_every_output_gets_one_row_with_all_columns_and_a_verdict(tmp_path, calibrated_pack):
    run = stylized_run(tmp_path, calibrated_pack)
    summary = score(run, SERIAL)
    found = rows(run)
    assert (summary.total, summary.done, summary.failed) == (4, 4, ())
    assert len(found) == 4
    for row in found.values():
        assert row["score_status"] == "scored"
        assert 0 < row["p_anomaly"] <= 1
        assert row["flagged"] == (row["p_anomaly"] <= run.config.alpha)
        assert all(row[name] is not None for name in COLUMN_NAMES)
        assert row["attempt_no"] == 1
        assert row["decision"] == "first"


def test_scoring_twice_does_nothing_the_second_time(tmp_path, calibrated_pack):
    run = stylized_run(tmp_path, calibrated_pack, 2)
    score(run, SERIAL)
    before = tree(Path(str(run.folder.attempts)))
    summary = score(run, SERIAL)
    assert (summary.done, summary.skipped) == (0, 2)
    assert tree(Path(str(run.folder.attempts))) == before


def test_a_calibration_of_ones_own_that_does_not_count_is_a_note(
    tmp_path, calibrated_pack, monkeypatch
):
    monkeypatch.setattr(style_folders, "BUNDLED", calibrated_pack.path.parent)
    make_style(tmp_path / "home")
    run = stylized_run(tmp_path, calibrated_pack, 1, home=str(tmp_path / "home"))
    assert "toy has other weights than the bundled toy" in "".join(score(run, SERIAL).notes)


def test_outputs_that_were_scored_before_a_calibration_are_told_and_keep_their_rows(
    tmp_path, calibrated_pack
):
    folder = tmp_path / "mine" / "toy"
    shutil.copytree(calibrated_pack.path, folder)
    file, made = folder / CALIBRATION_FILE, (folder / CALIBRATION_FILE).read_bytes()
    file.unlink()
    run = stylized_run(tmp_path, load_stylepack(folder), 2)
    assert [score(run, SERIAL).notes for _ in range(2)] == [(), ()]
    file.write_bytes(made)
    before = tree(Path(str(run.folder.attempts)))
    (note,) = score(run, SERIAL).notes
    assert note.startswith("2 of 2 outputs keep the scores of before toy was calibrated")
    assert tree(Path(str(run.folder.attempts))) == before

    (tmp_path / "photos" / "c2.png").write_bytes((tmp_path / "photos" / "a0.png").read_bytes())
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    assert score(run, SERIAL).notes[0].startswith("2 of 3 outputs keep")
    assert rows(run)["c2.png"]["score_status"] == "scored"

    calibration = Calibration.from_bytes(made)
    limits = calibration.limits + 1
    file.write_bytes(replace(calibration, limits=limits).to_bytes())
    assert score(run, SERIAL).notes[0].startswith("3 of 3 outputs keep")
    (tmp_path / "photos" / "b1.png").unlink()
    ingest(run, SERIAL)
    assert score(run, SERIAL).notes[0].startswith("2 of 2 outputs keep")


def test_the_cut_into_shards_does_not_change_a_row(tmp_path, calibrated_pack):
    one = stylized_run(tmp_path / "one", calibrated_pack, 3, shard_size=1)
    all_ = stylized_run(tmp_path / "all", calibrated_pack, 3, shard_size=64)
    score(one, SERIAL)
    score(all_, SERIAL)
    assert rows(one) == rows(all_)


def test_a_ruined_output_is_flagged_with_a_reason_in_words(tmp_path, calibrated_pack):
    run = stylized_run(tmp_path, calibrated_pack, 2)
    victim = Path(str(run.folder.images("a0.png")))
    shutil.copy(tmp_path / "photos" / "a0.png", victim)
    score(run, SERIAL)
    row = rows(run)["a0.png"]
    assert row["flagged"]
    assert row["reason"]
    assert "σ" in row["evidence"]


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_an_output_that_cannot_be_read_is_flagged_and_the_others_are_scored(
    tmp_path, calibrated_pack, damage
):
    run = stylized_run(tmp_path, calibrated_pack, 2)
    victim = Path(str(run.folder.images("a0.png")))
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:60])
    summary = score(run, SERIAL)
    found = rows(run)
    assert summary.failed == ()
    assert found["a0.png"]["flagged"]
    assert found["a0.png"]["p_anomaly"] is None
    assert found["a0.png"]["reason"] == "unreadable"
    assert found["b1.png"]["score_status"] == "scored"


def test_a_style_without_a_calibration_says_so_and_gives_no_p(tmp_path, calibrated_pack):
    folder = tmp_path / "bare"
    shutil.copytree(calibrated_pack.path, folder / "toy")
    (folder / "toy" / CALIBRATION_FILE).unlink()

    run = stylized_run(tmp_path, load_stylepack(folder / "toy"), 1)
    score(run, SERIAL)
    row = rows(run)["a0.png"]
    assert row["score_status"] == "uncalibrated"
    assert row["p_anomaly"] is None
    assert not row["flagged"]


def test_another_strength_than_the_calibrated_one_gives_columns_but_no_p(tmp_path, calibrated_pack):
    run = stylized_run(tmp_path, calibrated_pack, 1, strength=0.7)
    score(run, SERIAL)
    row = rows(run)["a0.png"]
    assert row["score_status"] == "uncalibrated"
    assert row["p_anomaly"] is None
    assert row["c_gms"] is not None
    assert "strength" in row["evidence"]


def test_jpeg_files_with_smeared_colours_are_not_judged_by_a_calibration_without(
    tmp_path, calibrated_pack
):
    options = {"format": "jpeg", "subsampling": "4:2:0"}
    run = stylized_run(tmp_path, calibrated_pack, 1, **options)
    score(run, SERIAL)
    (row,) = rows(run).values()
    assert row["score_status"] == "uncalibrated"
    assert row["evidence"] == "calibrated for jpeg 4:4:4, not 4:2:0"
    assert row["p_anomaly"] is None


def test_a_damaged_calibration_is_a_crash_at_once(tmp_path, calibrated_pack):
    shutil.copytree(calibrated_pack.path, tmp_path / "toy")

    pack = load_stylepack(tmp_path / "toy")
    run = stylized_run(tmp_path, pack, 1)
    (tmp_path / "toy" / CALIBRATION_FILE).write_bytes(b"damaged")
    with pytest.raises(CalibrationError, match="not a calibration file"):
        score(run, SERIAL)


def test_tiny_and_long_images_have_no_score_but_a_row(tmp_path, calibrated_pack):
    photos = tmp_path / "photos"
    photos.mkdir()
    scene(1, (40, 30)).save(photos / "tiny.png")
    scene(2, (600, 70)).save(photos / "strip.png")
    run = make_run(photos, tmp_path / "RUN", calibrated_pack)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    score(run, SERIAL)
    found = rows(run)
    assert [found[name]["score_status"] for name in ("tiny.png", "strip.png")] == [
        "unsupported"
    ] * 2
    assert "under 64 px" in found["tiny.png"]["evidence"]
    assert not found["strip.png"]["flagged"]


def test_outputs_are_matched_to_sources_by_path_without_suffix():
    sources = ["a/1.jpg", "a/2.jpg", "a/2.png", "b/1.jpg"]
    outputs = ["a/1.png", "a/2.png", "a/2.webp", "c/9.png"]
    found = {pair.output: pair.source for pair in match_pairs(sources, outputs)}
    assert found == {"a/1.png": "a/1.jpg", "a/2.png": "a/2.png", "a/2.webp": None, "c/9.png": None}


def test_pairs_of_any_tool_are_scored_like_the_run_that_made_them(tmp_path, calibrated_pack):
    run = stylized_run(tmp_path, calibrated_pack, 3)
    score(run, SERIAL)
    images = Path(str(run.folder.root / "images"))
    Image.open(images / "a0.png").filter(ImageFilter.GaussianBlur(6)).save(images / "a0.png")
    scene(77).save(images / "stranger.png")
    out = tmp_path / "scores.parquet"
    summary = score_pairs(
        str(tmp_path / "photos"), str(images), calibrated_pack.path, str(out), SERIAL
    )
    found = {row["output"]: row for row in pq.read_table(out).to_pylist()}
    assert summary.done == len(found) == 4
    known = rows(run)
    assert found["b1.png"]["anomaly"] == known["b1.png"]["anomaly"]
    assert found["a0.png"]["flagged"]
    assert found["a0.png"]["anomaly"] > known["a0.png"]["anomaly"]
    assert found["stranger.png"]["p_anomaly"] is None
    assert "no photo" in found["stranger.png"]["evidence"]
