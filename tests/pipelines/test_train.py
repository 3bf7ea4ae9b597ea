import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ganst.errors import TrainingError
from ganst.models.stylepack import load_generator, load_stylepack
from ganst.training.config import Budget, TrainConfig
from pipelines.train import train
from pipelines.training.pictures import read_pictures
from pipelines.training.rank import open_training
from tests.pipelines.trainings import make_job, make_pictures

if TYPE_CHECKING:
    from ganst.training.loop import TrainEvent

MISSING = (
    "prefect", "dask", "distributed", "pydantic", "fsspec", "upath", "typer", "rich", "pyarrow", "pandas"
)  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return make_pictures(tmp_path)


def test_training_leaves_a_pack_whose_card_tells_what_it_was_made_of(folders, tmp_path: Path):
    pack = load_stylepack(train(make_job(folders, tmp_path)))
    assert pack.checkpoints == ("final", "early")
    assert pack.card["data"] == {"photos": 2, "paintings": 2, "licence": "CC0-1.0"}
    assert pack.card["training"]["images"] == 8
    assert pack.card["training"]["finished"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("gpu")
def test_a_training_on_a_gpu_is_resumed_there_and_leaves_a_pack_for_any_machine(folders, tmp_path):
    job = make_job(folders, tmp_path)
    begun = open_training(job)
    assert not begun.run(lambda _: None, lambda: True)
    pack = load_stylepack(train(dataclasses.replace(job, begin="resume")))
    assert pack.card["training"]["steps"] == 4
    assert {p.device.type for p in load_generator(pack).parameters()} == {"cpu"}


def test_training_leaves_the_arithmetic_of_the_process_as_it_was(folders, tmp_path: Path):
    train(make_job(folders, tmp_path))
    assert sys.float_info.min / 2 > 0  # a denormal number


def test_pictures_that_cannot_be_used_are_left_out(folders, caplog):
    photos, _ = folders
    (photos / "broken.jpg").write_bytes(b"")
    (photos / "notes.txt").write_text("no picture")
    Image.new("RGB", (4, 4)).save(photos / "small.png")
    assert len(read_pictures(photos, smallest_side_px=16)) == 2
    assert "broken.jpg" in caplog.text
    assert "4x4 is smaller than 16" in caplog.text


def test_a_folder_without_pictures_is_refused_by_name(tmp_path: Path):
    with pytest.raises(TrainingError, match=f"{tmp_path} holds no usable picture"):
        read_pictures(tmp_path, smallest_side_px=16)
    with pytest.raises(TrainingError, match="neither a folder nor a picture"):
        read_pictures(tmp_path / "missing", smallest_side_px=16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style": "../ink"}, "letters, digits"),
        ({"config": TrainConfig(preset="huge")}, "no preset 'huge'"),
        ({"style": "oil"}, "must have its name"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_before_it_starts(folders, tmp_path, changes, message):
    job = make_job(folders, tmp_path)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(job, **changes)


@pytest.mark.slow
def test_a_bare_host_trains_from_the_command_line(folders, tmp_path: Path):
    photos, paintings = folders
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.train", "--style", "ink", "--photos", photos,
         "--paintings", paintings, "--out", tmp_path, "--preset", "tiny", "--images", "4",
         "--crop", "32", "--batch", "2", "--threads", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "ink" / "card.json").read_text())["training"]["steps"] == 2


@pytest.mark.slow
def test_a_host_without_the_other_packages_trains(folders, tmp_path: Path):
    """Their imports fail here as they would there, also those that come late."""
    photos, paintings = folders
    code = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({MISSING!r}))  # None: no such module
runpy.run_module("pipelines.train", run_name="__main__", alter_sys=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--style", "ink", "--photos", photos, "--paintings",
         paintings, "--out", tmp_path, "--preset", "tiny", "--images", "4", "--crop", "32",
         "--batch", "2", "--threads", "1", "--tensorboard", tmp_path / "curves"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert load_stylepack(tmp_path / "ink").card["training"]["steps"] == 2


def test_photos_that_are_the_paintings_are_refused(folders, tmp_path: Path):
    photos, _ = folders
    job = dataclasses.replace(make_job(folders, tmp_path), paintings=photos)
    with pytest.raises(TrainingError, match=r"2 of 2 paintings are among the photos: .*00\.png is"):
        train(job)
    assert not job.out.exists()


def test_paintings_smaller_than_the_crop_are_refused_with_their_size(folders, tmp_path: Path):
    job = make_job(folders, tmp_path)
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, crop_px=64))
    with pytest.raises(TrainingError, match="50x40 is smaller than 64 pixels"):
        train(job)
    assert not job.out.exists()


def test_one_painting_is_seen_at_all_scales_and_augmented_harder(folders, tmp_path: Path):
    _, paintings = folders
    job = dataclasses.replace(make_job(folders, tmp_path), paintings=paintings / "00.png")
    card = load_stylepack(train(job)).card
    assert card["data"]["paintings"] == 1
    assert card["training"]["config"]["painting_zoom"] == [32 / 40, 2.0]
    assert card["training"]["config"]["augment_probability"] == 0.9


@pytest.mark.parametrize(("preset", "brightest"), [("fast", 188), ("tiny", 60)])
def test_photos_are_as_bright_in_training_as_they_are_shown_later(
    folders, tmp_path: Path, preset: str, brightest: int
):
    """`fast` keeps exposure: a twentieth of the values is to lie over 0.7 of white. `tiny` does not."""
    for path in folders[0].iterdir():
        Image.open(path).point(lambda level: level * 60 // 255).save(path)
    job = make_job(folders, tmp_path)
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, preset=preset))
    trainer = open_training(job).trainer
    assert trainer.photos.images[0].max() == pytest.approx(brightest, abs=3)
    assert trainer.paintings.images[0].max() == 255


@pytest.mark.slow
def test_minutes_end_with_the_evaluation_and_a_rate_of_zero(folders, tmp_path: Path):
    """Judged by the training's own clock: the step in which the time runs out is the last."""
    job = dataclasses.replace(make_job(folders, tmp_path), budget=Budget(minutes=0.2))
    events: list[TrainEvent] = []
    card = load_stylepack(train(job, events.append)).card
    assert [event.progress == 1 for event in events[-2:]] == [False, True]
    assert job.config.rate(events[-1].progress) == 0
    # Time is kept back for the evaluation and the pack.
    assert events[-2].elapsed_s < 60 * 0.2 - 1
    assert card["training"]["evaluations"][-1]["progress"] == 1.0


def test_a_pack_is_trained_further_and_its_card_says_so(folders, tmp_path: Path):
    first = load_stylepack(train(make_job(folders, tmp_path)))
    (tmp_path / "more").mkdir()
    job = dataclasses.replace(make_job(folders, tmp_path / "more"), start=first.path)
    second = load_stylepack(train(job))
    assert second.digest != first.digest
    assert second.card["started_from"]["digest"] == first.digest
