import numpy as np
import pytest
import torch

from ganst.scoring.faults import FAULTS
from tests.ganst.stand_in import StandIn

_CASES = 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_size_and_type_and_changes_the_image(stand_in, name):
    case = stand_in.case(0)
    damaged = FAULTS[name](case, 4.0)
    assert damaged.dtype == torch.uint8
    assert damaged.shape == case.output.shape
    assert not torch.equal(damaged, case.output)


@pytest.mark.parametrize("name", FAULTS)
def test_the_anomaly_rises_with_the_severity_of_a_fault_until_it_is_off_the_scale(stand_in, name):
    clean = np.median([stand_in.anomaly(*stand_in.pair(index)) for index in range(_CASES)])
    scores = {severity: median_anomaly(stand_in, name, severity) for severity in (1.0, 3.0, 5.0)}
    assert scores[5.0] > 2 * clean
    for milder, stronger in ((1.0, 3.0), (3.0, 5.0)):
        off_the_scale = scores[milder] > 10 * clean and scores[stronger] > 10 * clean
        assert scores[stronger] > 0.95 * scores[milder] or off_the_scale


def median_anomaly(stand_in: StandIn, name: str, severity: float) -> float:
    cases = [stand_in.case(index) for index in range(_CASES)]
    found = [stand_in.anomaly(case.source, FAULTS[name](case, severity)) for case in cases]
    return float(np.median(found))


@pytest.mark.parametrize("severity", [0.5, 5.5])
def test_a_severity_off_the_scale_is_refused(stand_in, severity):
    with pytest.raises(ValueError, match=r"severity must be in 1\.\.5"):
        FAULTS["blur"](stand_in.case(0), severity)
