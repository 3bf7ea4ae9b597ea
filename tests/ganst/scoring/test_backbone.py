import pytest
import torch
import torch.nn.functional as F

from ganst.scoring import backbone
from ganst.scoring.backbone import BACKBONE_COLUMNS, measure_backbone
from ganst.scoring.canonical import blur


class Stub:
    """Sixteen blocks, each of which blurs; every fifth halves."""

    def __init__(self) -> None:
        self._swish = self._bn0 = self._conv_stem = lambda x: x
        halving = (2, 4, 10, 15)
        self._blocks = [
            (lambda x: F.avg_pool2d(x, 2)) if index in halving else (lambda x: x)
            for index in range(16)
        ]


def test_without_the_extra_the_columns_are_there_and_empty(monkeypatch):
    monkeypatch.setattr(backbone, "open_network", lambda: None)
    image = torch.zeros(3, 80, 80, dtype=torch.uint8)
    assert measure_backbone(image, image) == dict.fromkeys(BACKBONE_COLUMNS)


def check_distances(photo: torch.Tensor) -> None:
    smooth = blur(photo.float(), 4.0).to(torch.uint8)
    for name in BACKBONE_COLUMNS:
        same, near, far = (
            measure_backbone(photo, x)[name] or 0.0 for x in (photo, smooth, photo.flip(1))
        )
        assert same == pytest.approx(0, abs=1e-5)
        assert 0 < near < far


def test_a_copy_is_at_distance_0_and_the_photo_upside_down_far(stand_in, monkeypatch):
    monkeypatch.setattr(backbone, "open_network", Stub)
    check_distances(stand_in.pair(0)[0])


@pytest.mark.slow
def test_the_real_network_sees_the_same(stand_in):
    pytest.importorskip("efficientnet_lite_pytorch")
    check_distances(stand_in.pair(0)[0])
