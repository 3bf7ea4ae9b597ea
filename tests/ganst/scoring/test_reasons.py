import numpy as np
import pytest

from ganst.scoring.calibration import JUDGED
from ganst.scoring.faults import FAULTS
from ganst.scoring.measuring import measure
from ganst.scoring.reasons import UNKNOWN, Namer, evidence


def test_strong_faults_of_unseen_outputs_are_mostly_named(stand_in):
    right = total = 0
    for index in range(3):
        for name, fault in FAULTS.items():
            case = stand_in.case(index)
            columns = measure(case.source, fault(case, 4.0), stand_in.calibration.reference)
            right += stand_in.calibration.judge(columns, "k").reason == name
            total += 1
    assert right / total >= 0.6


def test_probabilities_add_up_to_one(stand_in):
    residuals = np.linspace(-9, 9, len(JUDGED))
    assert stand_in.calibration.namer.probabilities(residuals).sum() == pytest.approx(1)


def test_a_namer_in_doubt_says_unknown():
    namer = Namer(reasons=("a", "b", "c"), weights=np.zeros((3, 4)), offsets=np.zeros(3))
    assert namer.name(np.ones(4)) == (UNKNOWN, pytest.approx(1 / 3))


def test_evidence_gives_sign_size_and_words_of_the_largest():
    residuals = np.zeros(len(JUDGED))
    names = [column.name for column in JUDGED]
    residuals[names.index("c_gms")] = 4.06
    residuals[names.index("k_light")] = -7.0
    assert evidence(residuals, JUDGED, most=2) == "too dark −7.0 σ, edges lost +4.1 σ"
