from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from ganst.scoring.fault_catalog import CATALOG
from ganst.scoring.faults import FAULTS

_NEW = [name for name in CATALOG if name not in FAULTS]


@pytest.mark.parametrize("name", _NEW)
def test_a_kind_keeps_size_and_type_and_the_clean_twin(stand_in, name):
    case = stand_in.case(0)
    twin = case.output.clone()
    damaged = CATALOG[name].fault(case, 3.0)
    assert damaged.dtype == torch.uint8
    assert damaged.shape == case.output.shape
    assert not torch.equal(damaged, twin)
    assert torch.equal(case.output, twin)


@pytest.mark.parametrize("name", [name for name in _NEW if CATALOG[name].is_graded])
def test_a_higher_severity_moves_the_image_further_from_its_twin(stand_in, name):
    moved = []
    for severity in (1.0, 3.0, 5.0):
        case = stand_in.case(1)
        damaged = CATALOG[name].fault(case, severity).float()
        moved.append(float((damaged - case.output.float()).square().mean()))
    assert 0 < moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize("name", _NEW)
def test_the_strongest_is_more_anomalous_than_normal_outputs(stand_in, name):
    clean = [stand_in.anomaly(*stand_in.pair(index)) for index in range(3)]
    cases = [stand_in.case(index) for index in range(3)]
    found = [stand_in.anomaly(case.source, CATALOG[name].fault(case, 5.0)) for case in cases]
    assert np.median(found) > np.median(clean)


@pytest.mark.parametrize("name", _NEW)
def test_the_same_draw_gives_the_same_fault_again(stand_in, name):
    first, second = (CATALOG[name].fault(stand_in.case(2), 2.5) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", _NEW)
@pytest.mark.parametrize("severity", [0.9, 5.1])
def test_a_severity_off_the_scale_is_refused(stand_in, name, severity):
    with pytest.raises(ValueError, match=r"severity must be in 1\.\.5"):
        CATALOG[name].fault(stand_in.case(0), severity)


def test_every_reason_that_counts_as_right_can_be_given():
    named = {reason for kind in CATALOG.values() for reason in kind.reasons}
    assert named <= {*FAULTS, "unknown"}


def test_jpeg_blocks_are_what_the_codec_writes(stand_in):
    case = stand_in.case(3)
    buffer = BytesIO()
    image = Image.fromarray(case.output.permute(1, 2, 0).contiguous().numpy())
    image.save(buffer, "JPEG", quality=15, subsampling=0)
    written = np.asarray(Image.open(buffer)).astype(float)
    ours = CATALOG["compressed"].fault(case, 3.0).permute(1, 2, 0).numpy().astype(float)
    lost = np.abs(written - case.output.permute(1, 2, 0).numpy()).mean()
    assert np.abs(ours - written).mean() < 0.2 * lost


def test_a_tile_drifts_as_one(stand_in):
    case = stand_in.case(0)
    grey = torch.full_like(case.output, 128)
    flat = type(case)(source=case.source, output=grey, donor=case.donor, generator=case.generator)
    drifted = CATALOG["tile_drift"].fault(flat, 5.0)
    assert len(drifted[:, :128, :128].flatten(1).unique(dim=1)[0]) == 1
    assert not torch.equal(drifted[:, 0, 0], drifted[:, -1, -1])
