"""What is slow to make, made once: a small calibrated style, and a bulk job done undisturbed."""

from pathlib import Path

import pytest

from ganst.models.stylepack import CALIBRATION_FILE, StylePack
from pipelines.calibrate import fit_pack
from pipelines.config import ComputeConfig
from tests.pipelines.bulk_job import BulkJob, make_job
from tests.pipelines.photo_folders import make_style
from tests.pipelines.scenes import make_scenes


@pytest.fixture(scope="session")
def calibrated_pack(tmp_path_factory: pytest.TempPathFactory) -> StylePack:
    return make_calibrated_pack(tmp_path_factory.mktemp("calibrated"))


def make_calibrated_pack(folder: Path) -> StylePack:
    folder.mkdir(parents=True, exist_ok=True)
    pack = make_style(folder)
    photos, paintings = (
        make_scenes(folder / "photos", 44),
        make_scenes(folder / "paintings", 3, 900),
    )
    fitted = fit_pack(pack, str(photos), str(paintings), ComputeConfig(workers=0), views=1)
    (pack.path / CALIBRATION_FILE).write_bytes(fitted.to_bytes())
    return pack


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> BulkJob:
    return make_job(tmp_path_factory.mktemp("job"))
