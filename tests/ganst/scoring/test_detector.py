from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ganst.scoring.detector import Detector, Floors, UsualSizes, bounded, ridge

NUM_SOURCES, NUM_OUTPUTS = 3, 8
FLOORS = Floors(
    sources=np.full(NUM_SOURCES, 0.1),
    outputs=np.full(NUM_OUTPUTS, 0.1),
    signs=np.zeros(NUM_OUTPUTS),
    most=np.full(NUM_OUTPUTS, np.inf),
)


def make_rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sources = rng.normal(size=(count, NUM_SOURCES))
    mix = np.random.default_rng(99).normal(size=(NUM_SOURCES, NUM_OUTPUTS))
    return sources, sources @ mix + 0.5 * rng.normal(size=(count, NUM_OUTPUTS))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit(*make_rows(300), FLOORS)


def test_the_distance_is_the_mahalanobis_distance_of_numpy(detector):
    residuals = detector.residuals(*make_rows(20, seed=5))
    for row, found in zip(residuals, detector.distance(residuals), strict=True):
        assert found == pytest.approx(row @ detector.precision @ row)


def test_deviations_are_all_columns_the_largest_six_and_the_largest_three_given_the_rest(detector):
    residuals = np.random.default_rng(3).normal(size=(5, len(detector.signs)))
    precision = detector.precision
    for row, found in zip(residuals, detector.deviations(residuals), strict=True):
        # The conditional residual of a Gaussian: what the others do not predict, over its deviation.
        given = [
            (row[i] + precision[i, others] @ row[others] / precision[i, i]) * precision[i, i] ** 0.5
            for i in range(len(row))
            for others in [np.delete(np.arange(len(row)), i)]
        ]
        expected = [
            row @ precision @ row,
            np.sort(np.square(row))[-6:].sum(),
            np.sort(np.square(given))[-3:].sum(),
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_column_counts_for_no_more_than_it_may(detector):
    most = np.where(np.arange(NUM_OUTPUTS) == 2, 0.5, np.inf)
    wary = replace(detector.taught(np.eye(NUM_OUTPUTS), ["a"] * NUM_OUTPUTS), most=most)
    far, at_most, below = (np.zeros((1, NUM_OUTPUTS)) for _ in range(3))
    far[0, 2], at_most[0, 2], below[0, 2] = 4.0, 0.5, -4.0
    members = np.array([1, 2])
    np.testing.assert_array_equal(wary.deviations(far), wary.deviations(at_most))
    np.testing.assert_array_equal(wary.at_least(far, members), wary.at_least(at_most, members))
    free = replace(wary, most=FLOORS.most)
    assert (free.deviations(far) > wary.deviations(far)).all()
    np.testing.assert_array_equal(free.deviations(below), wary.deviations(below))
    assert (wary.distance(far) > wary.distance(at_most)).all()  # of a family, as it is


def drawn_deviations(about: np.ndarray, seed: int) -> np.ndarray:
    """Three deviations each, larger where the last number of `about` is."""
    scatter = 0.2 * np.random.default_rng(seed).normal(size=(len(about), 3))
    return np.exp(np.array([1.0, 2.0, 3.0]) + about[:, -1:] + scatter)


def test_the_anomaly_is_the_largest_deviation_in_its_usual_size():
    sizes = UsualSizes(weights=np.log([[1.0, 3.0, 8.0]]), spread=np.ones(3))
    found = sizes.unusual(np.ones((2, 1)), np.array([[2.0, 3.0, 4.0], [2.0, 9.0, 4.0]]))
    np.testing.assert_allclose(found, [2.0, 3.0], rtol=1e-5)


def test_a_deviation_that_scatters_more_has_to_be_larger_to_count_as_much():
    sizes = UsualSizes(weights=np.zeros((1, 3)), spread=np.array([0.5, 1.0, 1.5]))
    found = sizes.unusual(np.ones((3, 1)), np.array([[4.0, 1, 1], [1, 4.0, 1], [1, 1, 4.0]]))
    np.testing.assert_allclose(found, [16.0, 4.0, 4 ** (2 / 3)], rtol=1e-4)


def test_the_spread_of_a_deviation_is_that_of_what_the_photo_does_not_explain():
    odd = np.random.default_rng(0).normal(size=40000)
    about = np.column_stack([np.ones(40000), odd])
    sizes = UsualSizes.fit(about, drawn_deviations(about, 1))
    np.testing.assert_allclose(sizes.spread, 0.2 * norm.ppf(0.95), rtol=0.1)


def test_one_in_ten_deviations_is_larger_than_usual_and_odd_photos_are_allowed_more():
    odd = np.random.default_rng(0).normal(size=2000)
    about = np.column_stack([np.ones(2000), odd])
    sizes = UsualSizes.fit(about, drawn_deviations(about, 1))
    usual = np.exp(about @ sizes.weights)
    np.testing.assert_allclose((drawn_deviations(about, 2) > usual).mean(axis=0), 0.1, atol=0.02)
    ordinary, strange = np.exp(np.array([[1.0, 0.0], [1.0, 2.0]]) @ sizes.weights)
    assert (strange > 1.5 * ordinary).all()


def test_what_photos_are_like_says_how_odd_they_are(detector):
    ordinary, odd = detector.about(np.array([[0.0, 0.0, 0.0], [3.0, -3.0, 3.0]]))
    assert ordinary[0] == odd[0] == 1
    assert (odd[-3:] > ordinary[-3:] + 1).all()
    scores, each = np.split(odd[1:-3], 2)
    np.testing.assert_array_equal(each, np.abs(scores))
    assert scores.min() < 0


def test_the_distance_of_a_block_is_that_of_its_marginal_gaussian(detector):
    residuals = detector.residuals(*make_rows(20, seed=5))
    members = np.array([1, 4])
    covariance = np.linalg.inv(detector.precision)[[[1], [4]], [1, 4]]
    expected = [row[members] @ np.linalg.solve(covariance, row[members]) for row in residuals]
    np.testing.assert_allclose(detector.distance(residuals, members), expected, rtol=1e-9)


def test_a_score_does_not_depend_on_the_other_rows_of_the_call(detector):
    sources, outputs = make_rows(30, seed=7)
    together = detector.distance(detector.residuals(sources, outputs))
    alone = [
        detector.distance(detector.residuals(sources[i : i + 1], outputs[i : i + 1]))[0]
        for i in range(30)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_what_the_source_explains_is_not_anomalous(detector):
    sources, outputs = make_rows(300, seed=3)
    raw = detector.output_scale.transform(outputs)
    left = detector.residuals(sources, outputs) * detector.spread
    assert left.var() < 0.5 * raw.var()


def test_an_output_that_belongs_to_another_source_stands_out(detector):
    sources, outputs = make_rows(200, seed=3)
    matched = np.median(detector.distance(detector.residuals(sources, outputs)))
    swapped = np.median(detector.distance(detector.residuals(sources[::-1], outputs)))
    assert swapped > 2 * matched


def test_ridge_agrees_with_the_normal_equations_and_spares_the_intercept():
    rng = np.random.default_rng(0)
    features = np.concatenate([np.ones((40, 1)), rng.normal(size=(40, 2))], axis=1)
    targets = rng.normal(size=(40, 3)) + 100
    weights = ridge(features, targets, 1e9)
    np.testing.assert_allclose(weights[0], targets.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(weights[1:], 0, atol=1e-5)


def test_arrays_carry_the_whole_detector(detector):
    again = Detector.from_arrays(detector.to_arrays())
    rows = make_rows(20, seed=9)
    np.testing.assert_array_equal(again.residuals(*rows), detector.residuals(*rows))


@given(st.floats(-20, 20))
def test_better_than_expected_counts_for_no_more_than_one_and_a_half_sigma(value):
    found = bounded(np.full((1, 3), value), np.array([1.0, -1.0, 0.0]))[0]
    assert found.tolist() == [max(value, -1.5), min(value, 1.5), value]
