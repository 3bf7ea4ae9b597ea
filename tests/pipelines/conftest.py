"""A small real style with a real calibration, made once for all tests that score."""

import pytest

from ganst.models.stylepack import CALIBRATION_FILE, StylePack
from pipelines.calibrate import fit_pack
from pipelines.config import ComputeConfig
from tests.pipelines.photo_folders import make_style
from tests.pipelines.scenes import make_scenes


@pytest.fixture(scope="session")
def calibrated_pack(tmp_path_factory: pytest.TempPathFactory) -> StylePack:
    folder = tmp_path_factory.mktemp("calibrated")
    pack = make_style(folder)
    photos, paintings = (
        make_scenes(folder / "photos", 44),
        make_scenes(folder / "paintings", 3, 900),
    )
    fitted = fit_pack(pack, str(photos), str(paintings), ComputeConfig(workers=0), views=1)
    (pack.path / CALIBRATION_FILE).write_bytes(fitted.to_bytes())
    return pack
