"""Shots are scored against what is usual for the style's clips, and a clip by its worst shot."""

import dataclasses
import gc
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import torch

from ganst.models.stylepack import StylePack
from ganst.scoring.calibration import CalibrationError
from ganst.video.faults import NAMES
from ganst.video.shot_scale import COLUMNS
from pipelines.config import ComputeConfig
from pipelines.correct import correct
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.score import score
from pipelines.video import calibrate as calibrate_module
from pipelines.video import judging
from pipelines.video.calibrate import ShotTask
from pipelines.video.measuring import ShotMeter
from pipelines.video.score import score_clips
from pipelines.video.shot_calibration import FILE, ClipScope, ShotCalibration
from pipelines.video.stylize import stylize_clips
from pipelines.video.writing import write_segment
from tests.pipelines.photo_folders import make_run
from tests.pipelines.video.made_clips import pixels_of, shot, write_clip

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERIAL = ComputeConfig(workers=0)
SIZE = (128, 96)


@pytest.fixture
def pack(clip_pack: StylePack) -> StylePack:
    return clip_pack


@pytest.fixture
def run(tmp_path, pack) -> Run:
    folder = tmp_path / "photos"
    write_clip(folder / "one.mkv", shot(16, size=SIZE))
    write_clip(folder / "two.mkv", [*shot(16, seed=4, size=SIZE), *shot(14, seed=9, size=SIZE)])
    made = make_run(folder, tmp_path / "RUN", pack)
    ingest(made, SERIAL)
    stylize_clips(made, SERIAL)
    return made


def spoil(path: Path, damage) -> None:
    """Put damaged frames in the place of a delivered clip."""
    frames = [damage(number, frame) for number, frame in enumerate(pixels_of(path))]
    height, width = frames[0].shape[1:]
    plan = calibrate_module._plan(frames)
    made = path.with_name("spoilt.nut")
    write_segment(made, enumerate(frames), plan, 10)
    assert (height, width) == (plan.height, plan.width)
    write_clip(path, [frame.permute(1, 2, 0).numpy() for frame in pixels_of(made)])
    made.unlink()


@pytest.mark.parametrize("damage", ["gone", "no clip", "shorter", "another size"])
def test_an_output_that_is_not_what_was_written_is_flagged_as_unreadable(run, damage):
    path = Path(str(run.folder.images("one.mkv")))
    path.unlink()
    if damage == "no clip":
        path.write_bytes(b"nothing")
    elif damage == "shorter":
        write_clip(path, shot(9, size=SIZE))
    elif damage == "another size":
        write_clip(path, shot(16, size=(64, 48)))
    summary = score_clips(run, SERIAL)
    assert (summary.done, summary.failed) == (2, ())
    write_report(run)
    row = pd.read_parquet(str(run.folder.report)).set_index("source").loc["one.mkv"]
    assert (row["status"], row["reason"]) == ("flagged", "unreadable")
    assert row["evidence"].startswith("the output ")


def shots_of(run: Run) -> pd.DataFrame:
    write_report(run)
    return pd.read_parquet(str(run.folder.shots)).set_index(["source", "shot"])


def test_every_shot_is_a_row_and_every_clip_one_in_the_report(run):
    assert score_clips(run, SERIAL).done == 2
    assert score(run, SERIAL).total == 0
    shots = shots_of(run)
    assert shots.index.tolist() == [("one.mkv", 0), ("two.mkv", 0), ("two.mkv", 1)]
    assert shots["frames"].tolist() == [16, 16, 14]
    assert shots.loc[("two.mkv", 1), "start_s"] == pytest.approx(16 / 25)
    report = pd.read_parquet(str(run.folder.report)).set_index("source")
    assert len(report) == 2
    smallest = shots.xs("two.mkv")["p_anomaly"].min()
    assert report.loc["two.mkv", "p_anomaly"] == pytest.approx(min(1.0, 2 * smallest))
    assert score_clips(run, SERIAL).skipped == 2


def test_the_frames_of_a_shot_are_gone_when_the_next_one_is_measured(run, monkeypatch):
    alive: list[int] = []
    real: Callable[..., dict[str, Any]] = judging.shot_row

    def seen(*args: object) -> dict[str, Any]:
        alive.append(sum(type(found) is ShotMeter for found in gc.get_objects()))
        return real(*args)

    monkeypatch.setattr(judging, "shot_row", seen)
    score_clips(run, SERIAL)
    assert alive == [1, 1, 1]


def flickering(number: int, frame):
    return (frame.float() + 25 * (-1) ** number).clamp(0, 255).to(frame.dtype)


class Stopping:
    """Shows every fourth frame four times."""

    def __call__(self, number: int, frame: torch.Tensor) -> torch.Tensor:
        if number % 4 == 0:
            self.shown = frame
        return self.shown


@pytest.mark.parametrize(("damage", "reason"), [(flickering, "flicker"), (Stopping(), "stuck")])
def test_a_spoilt_clip_is_flagged_with_its_reason_and_not_given_to_the_photos_ladder(
    run, damage, reason
):
    spoil(Path(str(run.folder.images("one.mkv"))), damage)
    score_clips(run, SERIAL)
    shots = shots_of(run)
    assert shots.loc[("one.mkv", 0), "flagged"]
    assert shots.loc[("one.mkv", 0), "reason"] in NAMES[reason]
    report = pd.read_parquet(str(run.folder.report)).set_index("source")
    assert report.loc["one.mkv", "status"] == "flagged"
    assert correct(run, SERIAL).total == 0


def test_the_calibration_of_clips_holds_for_what_it_was_made_for(pack):
    found = ShotCalibration.from_bytes((pack.path / FILE).read_bytes())
    assert found.scope.refuses(found.scope) is None
    better = dataclasses.replace(found.scope, worst_quality=10)
    assert found.scope.refuses(better) is None
    for wrong in (
        dataclasses.replace(found.scope, worst_quality=30),
        dataclasses.replace(found.scope, steady=False),
        dataclasses.replace(found.scope, strength=0.5),
        dataclasses.replace(found.scope, style_digest="x"),
    ):
        assert found.scope.refuses(wrong) is not None


def test_without_a_calibration_of_clips_the_row_says_how_to_get_one(run, pack):
    kept = (pack.path / FILE).read_bytes()
    (pack.path / FILE).unlink()
    try:
        score_clips(run, SERIAL)
    finally:
        (pack.path / FILE).write_bytes(kept)
    write_report(run)
    report = pd.read_parquet(str(run.folder.report))
    assert report["evidence"].str.contains("ganst calibrate --clips").all()
    assert not Path(str(run.folder.shots)).exists()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format": 9}', b'{"format": 1, "scope": {}}'])
def test_a_damaged_calibration_is_one_sentence(data):
    with pytest.raises(CalibrationError, match="no calibration of shots"):
        ShotCalibration.from_bytes(data)


def test_a_calibration_comes_back_as_it_was_written(pack):
    data = (pack.path / FILE).read_bytes()
    found = ShotCalibration.from_bytes(data)
    assert ShotCalibration.from_bytes(found.to_bytes()).to_bytes() == data
    assert json.loads(data)["scope"]["style_digest"] == pack.digest
    assert isinstance(found.scope, ClipScope)


def test_a_calibration_of_clips_that_is_stopped_goes_on(clip_pack, tmp_path, monkeypatch):
    shutil.copytree(clip_pack.path, tmp_path / "toy")
    photos = str(clip_pack.path.parent / "photos")
    measured: list[str] = []
    stop_after = [5]

    def measure(task: ShotTask, _job: object) -> dict[str, float]:
        if len(measured) in stop_after:
            raise KeyboardInterrupt
        measured.append(task.photo)
        return dict.fromkeys(COLUMNS, 0.01 * task.number)

    monkeypatch.setattr(calibrate_module, "measure_shot", measure)
    with pytest.raises(KeyboardInterrupt):
        calibrate_module.calibrate_clips(tmp_path / "toy", photos, SERIAL)
    stop_after.clear()
    made = calibrate_module.calibrate_clips(tmp_path / "toy", photos, SERIAL)
    assert len(measured) == len(set(measured)) == len(made.scale.scores) == 44
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
