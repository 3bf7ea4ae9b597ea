import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from ganst.scoring.faults import FAULTS

_CASES = 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_size_and_type_and_changes_the_image(stand_in, name):
    case = stand_in.case(0)
    damaged = FAULTS[name](case, 4.0)
    assert damaged.dtype == torch.uint8
    assert damaged.shape == case.output.shape
    assert not torch.equal(damaged, case.output)


@pytest.mark.parametrize("name", FAULTS)
def test_the_anomaly_rises_with_the_severity_of_a_fault(stand_in, name):
    found = []
    for severity in (1.0, 3.0, 5.0):
        for index in range(_CASES):
            case = stand_in.case(index)
            found.append((severity, stand_in.anomaly(case.source, FAULTS[name](case, severity))))
    clean = np.median([stand_in.anomaly(*stand_in.pair(index)) for index in range(_CASES)])
    severities, scores = zip(*found, strict=True)
    strongest = np.median([score for severity, score in found if severity == 5.0])
    assert strongest > 2 * clean
    assert spearmanr(severities, scores).statistic > 0.4


@pytest.mark.parametrize("severity", [0.5, 5.5])
def test_a_severity_off_the_scale_is_refused(stand_in, severity):
    with pytest.raises(ValueError, match=r"severity must be in 1\.\.5"):
        FAULTS["blur"](stand_in.case(0), severity)
