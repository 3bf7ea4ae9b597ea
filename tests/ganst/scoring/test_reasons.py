from dataclasses import replace

import numpy as np
import pytest

from ganst.scoring.calibration import JUDGED
from ganst.scoring.faults import FAULTS
from ganst.scoring.measuring import measure
from ganst.scoring.reasons import UNKNOWN, Namer, _distance, _whitened, evidence


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
    namer = Namer(
        reasons=("a", "b", "c"),
        hidden=np.ones((2, 8)),
        hidden_offsets=np.zeros(2),
        weights=np.zeros((3, 2)),
        offsets=np.zeros(3),
        least=np.full(3, 0.4),
        furthest=np.full(3, np.inf),
        known=np.ones((3, 4)),
        reason_of=np.arange(3),
        metric=np.eye(8),
        growth=0.25,
    )
    assert namer.name(np.ones(4)) == (UNKNOWN, pytest.approx(1 / 3))


def faults_of_three_kinds(count: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Kinds `a` and `b` lie apart, `c` is drawn like `b`."""
    rng = np.random.default_rng(0)
    reasons = [("a", "b", "c")[index % 3] for index in range(count)]
    centre = {"a": 3.0, "b": -3.0, "c": -3.0}
    rows = [centre[reason] + rng.normal(size=4) for reason in reasons]
    return np.array(rows), reasons, [f"shoot{index // 6}" for index in range(count)]


def test_a_namer_is_sure_of_what_it_can_tell_apart_only():
    namer = Namer.fit(*faults_of_three_kinds(240))
    assert namer.name(np.full(4, 3.0))[0] == "a"
    assert namer.name(np.full(4, -3.0))[1] < 0.95
    assert namer.name(np.full(4, 0.0))[0] == UNKNOWN


def test_a_fault_unlike_all_that_it_knows_has_no_reason_however_sure_it_is():
    namer = Namer.fit(*faults_of_three_kinds(240))
    far = np.full(4, 8.0)
    assert namer.probabilities(far).max() > 0.95
    assert namer.name(far)[0] == UNKNOWN


def test_a_strong_fault_may_lie_farther_from_its_like_than_a_weak_one():
    namer = Namer.fit(*faults_of_three_kinds(240))
    weak, strong = np.full(4, 2.0), np.full(4, 5.0)
    mine = _whitened(namer.known[namer.reason_of == 0], namer.metric)
    far = _distance(strong, mine, namer.metric, 0.0)
    # A bound that the strong one keeps by its length alone.
    bounded = replace(namer, furthest=np.full(3, 0.99 * far))
    assert bounded.name(strong)[0] == "a"
    assert replace(bounded, growth=0.0).name(strong)[0] == UNKNOWN
    assert bounded.name(weak)[0] == "a"


def test_a_step_counts_by_how_widely_faults_of_one_reason_scatter_that_way():
    rng = np.random.default_rng(0)
    reasons = ["a", "b"] * 200
    centres = np.where(np.array(reasons) == "a", 5.0, -5.0)
    rows = np.stack([centres + 0.2 * rng.normal(size=400), 2.0 * rng.normal(size=400)], axis=1)
    namer = Namer.fit(rows, reasons, [f"shoot{index // 4}" for index in range(400)])
    centre = np.array([[5.0, 0.0]]).astype(np.float16)
    across, along = np.array([5.2, 0.0]), np.array([5.0, 2.0])
    apart, plain = (
        [_distance(row, _whitened(centre, metric), metric, 0.0) for row in (across, along)]
        for metric in (namer.metric, np.eye(4))
    )
    assert apart[0] == pytest.approx(apart[1], rel=0.5)
    assert plain[1] > 10 * plain[0]


def test_most_left_out_faults_clear_the_thresholds_of_their_kind():
    residuals, reasons, groups = faults_of_three_kinds(240)
    namer = Namer.fit(residuals, reasons, groups)
    fresh, kinds, _ = faults_of_three_kinds(480)
    mine = [row for row, kind in zip(fresh[240:], kinds[240:], strict=True) if kind == "a"]
    said = [namer.name(row)[0] == "a" for row in mine]
    assert np.mean(said) >= 0.88


def test_one_reason_alone_is_refused():
    with pytest.raises(ValueError, match="at least 2 reasons, got 1"):
        Namer.fit(np.zeros((4, 3)), ["a"] * 4, list("wxyz"))


def test_two_reasons_are_told_apart():
    rows = np.array([[4.0, 0.0], [-4.0, 0.0]] * 10)
    namer = Namer.fit(rows, ["a", "b"] * 10, [f"g{index // 2}" for index in range(20)])
    assert [namer.name(row)[0] for row in rows[:2]] == ["a", "b"]


def test_evidence_gives_sign_size_and_words_of_the_largest():
    residuals = np.zeros(len(JUDGED))
    names = [column.name for column in JUDGED]
    residuals[names.index("c_gms")] = 4.06
    residuals[names.index("k_light")] = -7.0
    assert evidence(residuals, JUDGED, most=2) == "too dark −7.0 σ, edges lost +4.1 σ"
