import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from ganst.scoring.detector import Detector, Floors, RankScale, UsualSizes, bounded, ridge

NUM_SOURCES, NUM_OUTPUTS = 3, 8
FLOORS = Floors(
    sources=np.full(NUM_SOURCES, 0.1),
    outputs=np.full(NUM_OUTPUTS, 0.1),
    signs=np.zeros(NUM_OUTPUTS),
)


def make_rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sources = rng.normal(size=(count, NUM_SOURCES))
    mix = np.random.default_rng(99).normal(size=(NUM_SOURCES, NUM_OUTPUTS))
    return sources, sources @ mix + 0.5 * rng.normal(size=(count, NUM_OUTPUTS))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit(*make_rows(300), FLOORS)


def test_fitted_values_get_the_normal_scores_of_their_ranks():
    rows = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    found = RankScale.fit(rows, np.full(2, 1e-9)).transform(rows)
    expected = norm.ppf((rankdata(rows, axis=0) - 0.5) / 50)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ties_share_their_middle_rank():
    rows = np.array([[1.0], [2.0], [2.0], [2.0], [3.0]])
    found = RankScale.fit(rows, np.array([0.1])).transform(np.array([[2.0]]))
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=40), st.floats(-99, 99))
def test_normal_scores_never_fall_when_the_value_rises(knots, value):
    scale = RankScale.fit(np.array(knots)[:, None], np.array([0.5]))
    grid = np.sort(np.array([*np.linspace(-120, 120, 200), value]))[:, None]
    assert (np.diff(scale.transform(grid)[:, 0]) >= -1e-12).all()


@given(
    st.lists(st.integers(-40, 40), min_size=3, max_size=40),
    st.lists(st.floats(-99, 99, width=32), max_size=20),
    st.sampled_from([1e-6, 0.3, 2.0, 500.0]),
)
def test_a_normal_score_is_of_the_mean_of_boxes_around_the_knots(tenths, values, floor):
    knots = np.sort(np.array(tenths) / 8)  # with ties, and exact in single precision
    rows = np.concatenate([knots, values])
    share = np.clip(0.5 + (rows[:, None] - knots) / floor, 0, 1).mean(axis=1)
    expected = norm.ppf(np.clip(share, 0.5 / len(knots), 1 - 0.5 / len(knots)))
    inside = (rows >= knots[0]) & (rows <= knots[-1])
    found = RankScale.fit(knots[:, None], np.array([floor])).transform(rows[:, None])[:, 0]
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-7)


def test_what_is_no_number_has_no_score_and_the_infinite_is_far_out():
    scale = RankScale.fit(np.linspace(-1, 1, 9)[:, None], np.array([0.1]))
    nothing, above, below = scale.transform(np.array([[np.nan], [np.inf], [-np.inf]]))[:, 0]
    assert np.isnan(nothing)
    assert (above, below) == (np.inf, -np.inf)


def test_far_outside_the_fit_the_score_grows_with_the_logarithm():
    rows = np.linspace(-1, 1, 101)[:, None]
    scale = RankScale.fit(rows, np.array([0.1]))
    excess = np.array([1.0, 99.0, 1e6])
    found = scale.transform(1 + excess[:, None])[:, 0]
    expected = scale.reach * np.log1p(excess / (scale.reach * scale.spread[0]))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)


def test_a_constant_column_does_not_cry_wolf_below_its_floor():
    scale = RankScale.fit(np.zeros((50, 1)), np.array([0.5]))
    same, blip, far = scale.transform(np.array([[0.0], [0.01], [5.0]]))[:, 0]
    assert same == pytest.approx(0.0)
    assert blip == pytest.approx(norm.ppf(0.52) + 0.01 / 0.5, rel=1e-2)
    assert far > 4


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
