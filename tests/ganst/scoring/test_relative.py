import numpy as np
import pytest

from ganst.scoring.calibration import JUDGED, SOURCE_NAMES
from ganst.scoring.relative import MIN_OUTPUTS, RunScale, relative_p, scale_of_run


def drawn(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 5))


def test_what_moves_all_outputs_of_a_run_is_taken_out():
    rows = drawn(200)
    moved = 4 + 2 * rows
    left = RunScale.fit(moved).apply(moved)
    assert np.abs(np.median(left, axis=0)).max() < 1e-9
    assert np.abs(left.std(axis=0) - 1).max() < 0.2


def test_a_run_more_alike_than_the_calibration_is_not_blown_up():
    rows = 0.1 * drawn(200)
    assert np.abs(RunScale.fit(rows).apply(rows)).max() < 0.5


def test_a_third_of_faulty_outputs_hardly_moves_the_scale():
    rows = drawn(300)
    spoilt = rows.copy()
    spoilt[:90] += 20
    a, b = RunScale.fit(rows), RunScale.fit(spoilt)
    assert np.abs(a.middle - b.middle).max() < 1
    assert (b.spread / a.spread).max() < 2


def test_few_outputs_are_refused():
    with pytest.raises(ValueError, match=f"needs {MIN_OUTPUTS} outputs, got 3"):
        RunScale.fit(drawn(3))


def test_an_output_that_stands_out_of_a_moved_run_has_the_smallest_p(stand_in):
    rows = [stand_in.columns(index, stand_in.calibration.reference) for index in range(6)]
    sources = np.array([[row[name] for name in SOURCE_NAMES] for row in rows] * 4)
    outputs = np.array([[row[column.name] for column in JUDGED] for row in rows] * 4)
    outputs[:, [column.name for column in JUDGED].index("m_light")] -= 6
    outputs[3, [column.name for column in JUDGED].index("l_place")] += 6
    keys = [str(index) for index in range(len(outputs))]
    residuals = stand_in.calibration.detector.residuals(sources, outputs)
    plain = stand_in.calibration.p_values(sources, residuals, keys)
    scale = scale_of_run(stand_in.calibration, sources, outputs)
    found = relative_p(stand_in.calibration, scale, sources, outputs, keys)
    assert np.median(plain) < 0.1
    assert np.median(found) > 0.2
    assert found.argmin() == 3
