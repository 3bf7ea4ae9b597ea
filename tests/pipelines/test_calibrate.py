import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ganst.models.stylepack import CALIBRATION_FILE, StylePack
from ganst.scoring.calibration import Calibration
from ganst.scoring.faults import FAULTS
from pipelines import calibrate as calibrate_module
from pipelines import calibration_photos
from pipelines.calibrate import (
    CalibrationInputError,
    calibrate,
    fit_pack,
    list_images,
    plan_photos,
    shoots,
)
from pipelines.calibration_draft import Draft, drafts_of
from pipelines.calibration_photos import (
    CalibrationJob,
    MeasuredPhoto,
    PhotoTask,
    measure_photo,
)
from pipelines.config import ComputeConfig
from pipelines.errors import EmptyFolderError
from pipelines.storage import open_root
from tests.pipelines.photo_folders import make_style
from tests.pipelines.scenes import make_scenes

SERIAL = ComputeConfig(workers=0)


def test_a_pack_holds_the_calibration_made_for_it(calibrated_pack):
    data = (calibrated_pack.path / CALIBRATION_FILE).read_bytes()
    calibration = Calibration.from_bytes(data)
    assert calibration.style_digest == calibrated_pack.digest
    assert calibration.facts["photos"] == len(calibration.scores.ordinary) == 44
    assert calibration.facts["groups"] == 11


def test_photos_of_a_shoot_are_told_by_name_and_folder():
    names = [f"{place}{number}.jpg" for place in "abcdefgh" for number in (0, 12)]
    found = shoots(names)
    assert len(set(found.values())) == 8
    assert found["a0.jpg"] == found["a12.jpg"] != found["b0.jpg"]


def test_a_camera_roll_is_not_taken_for_one_shoot():
    names = [f"IMG_{number:04}.jpg" for number in range(30)]
    assert len(set(shoots(names).values())) == 30


def test_the_donor_of_a_photo_is_always_another_photo():
    tasks = plan_photos([f"{index}.jpg" for index in range(50)])
    assert all(task.donor != task.photo for task in tasks)
    assert len({task.donor for task in tasks}) == 50
    assert tasks == plan_photos([f"{index}.jpg" for index in range(50)])


def faults_of(pack: StylePack, folder: Path, views: int) -> list[list[str]]:
    """Which faults five photos are given."""
    scenes = make_scenes(folder / "photos", 5)
    job = CalibrationJob(
        photos=str(open_root(str(scenes))),
        style_path=str(pack.path),
        style_digest=pack.digest,
        precisions=("fp32",),
        views=views,
    )
    reference = Calibration.from_bytes((pack.path / CALIBRATION_FILE).read_bytes()).reference
    tasks = plan_photos(list_images(open_root(job.photos)))
    return [[name for name, _ in measure_photo(t, job, reference).faulty] for t in tasks]


def test_a_photo_of_five_views_has_one_fault_of_every_kind(calibrated_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration_photos, "_large", lambda *_: {})
    for kinds in faults_of(calibrated_pack, tmp_path, views=5):
        assert kinds == list(FAULTS)


def test_photos_of_one_view_take_turns_with_the_kinds_of_faults(calibrated_pack, tmp_path):
    found = faults_of(calibrated_pack, tmp_path, views=1)
    assert [len(kinds) for kinds in found] == [3] * 5
    assert {kind for kinds in found for kind in kinds} == set(FAULTS)


def test_too_few_photos_are_refused_in_one_sentence(tmp_path, calibrated_pack):
    photos = make_scenes(tmp_path / "photos", 2)
    with pytest.raises(CalibrationInputError, match="at least 40 photos, got 2"):
        calibrate(calibrated_pack.path, str(photos), None, SERIAL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_first_calibration_needs_paintings(tmp_path):
    pack = make_style(tmp_path)
    photos = make_scenes(tmp_path / "photos", 2)
    with pytest.raises(CalibrationInputError, match="name the folder of its paintings"):
        calibrate(pack.path, str(photos), None, SERIAL)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(EmptyFolderError, match="holds no images"):
        list_images(open_root(str(tmp_path)))


def count_photos(monkeypatch, *, stop_after: int | None = None) -> list[str]:
    """The photos that are measured from now on; a signal comes after so many."""
    measured: list[str] = []

    def measure(task: PhotoTask, *args: Any) -> MeasuredPhoto:  # noqa: ANN401
        if len(measured) == stop_after:
            raise KeyboardInterrupt
        measured.append(task.photo)
        return measure_photo(task, *args)

    monkeypatch.setattr(calibrate_module, "measure_photo", measure)
    return measured


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_calibration_that_is_stopped_goes_on_and_comes_out_the_same(
    calibrated_pack, tmp_path, monkeypatch
):
    pack = dataclasses.replace(calibrated_pack, path=tmp_path / "styles" / "toy")
    shutil.copytree(calibrated_pack.path, pack.path)
    home = calibrated_pack.path.parent
    work = (str(home / "photos"), str(home / "paintings"), SERIAL)
    first = count_photos(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        fit_pack(pack, *work, views=1)
    assert len(first) == 3
    learnt = count_photos(monkeypatch)
    monkeypatch.setattr(calibrate_module, "learn_maps", None)  # its rule was kept
    told = []
    fitted = fit_pack(pack, *work, views=1, on_progress=told.append)
    assert len(learnt) == told[-1].total == told[-1].done == 41
    assert not set(first) & set(learnt)
    assert fitted.to_bytes() == (calibrated_pack.path / CALIBRATION_FILE).read_bytes()


def test_what_was_measured_of_other_photos_or_another_style_is_not_taken(tmp_path):
    photos = make_scenes(tmp_path / "photos", 2)
    names = list_images(open_root(str(photos)))
    draft = Draft.of(tmp_path, str(photos), names, ["style"])
    draft.keep(names[0], {"column": 0.1 + 0.2, "none": float("nan")})
    again = Draft.of(tmp_path, str(photos), names, ["style"]).measured()
    assert again[names[0]]["column"] == 0.1 + 0.2
    assert Draft.of(tmp_path, str(photos), names, ["other"]).measured() == {}
    os.utime(photos / names[1], ns=(1, 1))
    assert Draft.of(tmp_path, str(photos), names, ["style"]).measured() == {}


def test_a_calibration_that_is_done_leaves_no_draft(calibrated_pack, tmp_path, monkeypatch):
    shutil.copytree(calibrated_pack.path, tmp_path / "toy")
    kept = Calibration.from_bytes((calibrated_pack.path / CALIBRATION_FILE).read_bytes())

    def fit(pack: StylePack, *_: object, **__: object) -> Calibration:
        (drafts_of(pack, "photos") / "key").mkdir(parents=True)
        return kept

    monkeypatch.setattr(calibrate_module, "fit_pack", fit)
    calibrate(tmp_path / "toy", "photos", None, SERIAL)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
