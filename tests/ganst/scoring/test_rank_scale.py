import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from ganst.scoring.rank_scale import RankScale


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
