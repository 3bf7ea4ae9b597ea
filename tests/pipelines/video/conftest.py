"""A small style that is calibrated for photos and for clips, made once."""

import pytest

from ganst.models.stylepack import StylePack
from pipelines.config import ComputeConfig
from pipelines.video import calibrate as calibrate_module
from pipelines.video.calibrate import calibrate_clips


@pytest.fixture(scope="session")
def clip_pack(calibrated_pack: StylePack) -> StylePack:
    photos = calibrated_pack.path.parent / "photos"
    assert photos.is_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate_module, "_HEIGHT", 96)
        patch.setattr(calibrate_module, "_MAX_PHOTOS", 22)
        calibrate_clips(calibrated_pack.path, str(photos), ComputeConfig(workers=0))
    return calibrated_pack
