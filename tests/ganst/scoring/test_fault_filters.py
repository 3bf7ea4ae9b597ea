import numpy as np
import pytest
from scipy.stats import chi2

from ganst.scoring.detector import Detector, Floors, UsualSizes
from ganst.scoring.fault_filters import fit_filters, matched

NUM_COLUMNS = 50
COVARIANCE = 0.3 * np.ones((NUM_COLUMNS, NUM_COLUMNS)) + 0.7 * np.eye(NUM_COLUMNS)
PRECISION = np.linalg.inv(COVARIANCE)
WAYS = {
    name: np.random.default_rng(seed).normal(size=NUM_COLUMNS) for seed, name in enumerate("ab")
}


def normal(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal(np.zeros(NUM_COLUMNS), COVARIANCE, size=count)


def faulty(name: str, count: int, strength: float, seed: int) -> np.ndarray:
    return normal(count, seed) + strength * WAYS[name]


def plain_floors() -> Floors:
    ones = np.ones(NUM_COLUMNS)
    return Floors(sources=np.ones(1), outputs=ones, signs=0 * ones, most=np.inf * ones)


@pytest.fixture(scope="module")
def filters() -> np.ndarray:
    rows = np.concatenate([faulty("a", 60, 2.0, 1), faulty("b", 60, 2.0, 2)])
    return fit_filters(rows, ["a"] * 60 + ["b"] * 60, PRECISION)


def test_each_kind_has_two_filters_and_one_where_it_was_seen_too_seldom():
    rows = faulty("a", 39, 2.0, 1)
    assert fit_filters(rows, ["a"] * 20 + ["b"] * 19, PRECISION).shape == (3, NUM_COLUMNS)


def test_the_component_of_normal_outputs_along_a_filter_is_a_normal_number(filters):
    along = normal(20000, 3) @ filters.T
    np.testing.assert_allclose(along.std(axis=0), 1.0, atol=0.03)


def test_a_filter_is_the_best_direction_for_faults_of_its_kind(filters):
    """The gain of any direction over the scatter along it is bounded by Cauchy and Schwarz."""
    best = np.sqrt(WAYS["a"] @ PRECISION @ WAYS["a"])
    assert (filters @ WAYS["a"]).max() > 0.93 * best
    other = np.random.default_rng(5).normal(size=NUM_COLUMNS)
    assert other @ WAYS["a"] / np.sqrt(other @ COVARIANCE @ other) < 0.5 * best


def test_a_mild_fault_of_a_known_kind_is_seen_where_the_sum_over_all_columns_drowns_it(filters):
    clean, mild = normal(4000, 4), faulty("b", 400, 0.5, 6)

    def found(score: np.ndarray, of_clean: np.ndarray) -> float:
        return float((score > np.quantile(of_clean, 0.99)).mean())

    lengths = [np.einsum("mi,ij,mj->m", rows, PRECISION, rows) for rows in (mild, clean)]
    by_filters = found(matched(mild, filters), matched(clean, filters))
    assert by_filters > 0.8 > 2 * found(*lengths)


def test_faults_that_go_opposite_ways_are_both_found():
    rows = np.concatenate([faulty("a", 30, 2.0, 1), faulty("a", 30, -2.0, 2)])
    filters = fit_filters(rows, ["a"] * 60, PRECISION)
    along = filters @ WAYS["a"]
    assert along.min() < 0 < along.max()
    for sign in (1, -1):
        mild = normal(400, 3) + 0.6 * sign * WAYS["a"]
        assert np.mean(matched(mild, filters) > chi2.ppf(0.99, 1)) > 0.8


def test_what_goes_against_all_filters_is_no_likeness():
    filters = np.eye(2, NUM_COLUMNS)
    against = np.zeros((2, NUM_COLUMNS))
    against[:, :2] = [[-3.0, -1.0], [-3.0, 2.0]]
    assert matched(against, filters).tolist() == [0.0, 4.0]


def test_the_strength_of_a_fault_does_not_turn_its_filter():
    mixed = np.concatenate([faulty("a", 10, 1.5, 1), 50 * normal(1, 7)])
    (one,) = fit_filters(mixed, ["a"] * 11, PRECISION)
    assert one @ WAYS["a"] > 0.8 * np.sqrt(WAYS["a"] @ PRECISION @ WAYS["a"])


def test_a_detector_that_was_taught_has_one_deviation_more_and_the_others_as_before():
    floors = plain_floors()
    plain = Detector.fit(np.random.default_rng(0).normal(size=(400, 1)), normal(400, 8), floors)
    residuals = faulty("a", 40, 2.0, 1)
    taught = plain.taught(residuals, ["a"] * 40)
    np.testing.assert_array_equal(taught.deviations(residuals)[:, :3], plain.deviations(residuals))
    np.testing.assert_allclose(
        taught.deviations(residuals)[:, 3], matched(residuals, taught.filters)
    )
    again = Detector.from_arrays(taught.to_arrays())
    np.testing.assert_array_equal(again.deviations(residuals), taught.deviations(residuals))


def test_of_some_columns_no_deviation_is_larger_than_of_all():
    floors = plain_floors()
    plain = Detector.fit(np.random.default_rng(0).normal(size=(400, 1)), normal(400, 8), floors)
    rows = faulty("a", 40, 2.0, 1)
    for detector in (plain, plain.taught(rows, ["a"] * 40)):
        least, of_all = detector.at_least(rows, np.arange(0, 50, 3)), detector.deviations(rows)
        assert least.shape == of_all.shape
        assert (least <= of_all + 1e-9).all()
        assert (least[:, :2] > 0).all()


def test_a_fourth_deviation_is_sized_like_the_others():
    about = np.ones((500, 1))
    deviations = np.exp(np.random.default_rng(0).normal(size=(500, 4)))
    sizes = UsualSizes.fit(about, deviations)
    assert sizes.weights.shape == (1, 4)
    assert np.quantile(sizes.unusual(about, deviations), 0.9) > 1
