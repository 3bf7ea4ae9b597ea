import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganst.errors import TrainingError
from ganst.models.stylepack import load_stylepack
from ganst.training.config import TrainConfig
from pipelines.train import train
from pipelines.training.pictures import read_pictures
from tests.pipelines.trainings import make_job, make_pictures


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return make_pictures(tmp_path)


def test_training_leaves_a_pack_whose_card_tells_what_it_was_made_of(folders, tmp_path: Path):
    pack = load_stylepack(train(make_job(folders, tmp_path)))
    assert pack.checkpoints == ("final", "early")
    assert pack.card["data"] == {"photos": 2, "paintings": 2, "licence": "CC0-1.0"}
    assert pack.card["training"]["images"] == 8
    assert pack.card["training"]["finished"]


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
def test_training_imports_neither_prefect_nor_dask_nor_pydantic():
    code = (
        "import sys, pipelines.train; "
        "print([m for m in ('prefect', 'dask', 'distributed', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pack_is_trained_further_and_its_card_says_so(folders, tmp_path: Path):
    first = load_stylepack(train(make_job(folders, tmp_path)))
    (tmp_path / "more").mkdir()
    job = dataclasses.replace(make_job(folders, tmp_path / "more"), start=first.path)
    second = load_stylepack(train(job))
    assert second.digest != first.digest
    assert second.card["started_from"]["digest"] == first.digest
