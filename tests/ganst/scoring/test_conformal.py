import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from ganst.scoring.conformal import (
    SizedScores,
    cross_fit,
    false_alarm_bound,
    fold_by_group,
    p_value,
    q_values,
    unusual_per_unit,
)

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@given(reference=SCORES, score=st.integers(-6, 6), key=st.text(max_size=5))
def test_p_lies_between_the_direct_counts_without_and_with_ties(reference, score, key):
    n = len(reference)
    p = p_value(float(score), np.sort(np.array(reference, float)), key)
    above = sum(other > score for other in reference)
    lowest = max(above + (score in reference), 1) / (n + 1)
    highest = (1 + sum(other >= score for other in reference)) / (n + 1)
    assert lowest <= p <= highest


@given(
    reference=st.lists(st.integers(-1000, 1000), min_size=2, max_size=40, unique=True),
    share=st.floats(0.01, 0.99),
)
def test_between_two_scores_p_falls_evenly_from_one_count_to_the_next(reference, share):
    ordered = np.sort(np.array(reference, float))
    n = len(ordered)
    for rank in range(1, n):
        score = ordered[rank - 1] + share * (ordered[rank] - ordered[rank - 1])
        assert p_value(score, ordered, "key") == pytest.approx((1 + n - rank - share) / (n + 1))


def test_outside_of_all_scores_p_is_the_largest_or_the_smallest_there_is():
    assert p_value(9.5, np.arange(9.0), "key") == 0.1
    assert p_value(-0.5, np.arange(9.0), "key") == 1.0


def test_no_more_than_a_share_p_of_exchangeable_scores_looks_so_odd():
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(20000, 60)) ** 2  # a heavy tail, as scores have
    found = [p_value(float(row[0]), np.sort(row[1:]), "key") for row in draws]
    for alpha in (0.02, 0.025, 0.03, 0.05):
        assert np.mean(np.array(found) <= alpha) <= alpha + 0.003


@given(reference=SCORES, low=st.floats(-6, 6), step=st.floats(0.5, 5))
def test_a_higher_score_never_has_a_higher_p_where_it_ties_with_nothing(reference, low, step):
    ordered = np.sort(np.array(reference, float))
    low, high = np.floor(low) + 0.25, np.floor(low + step) + 0.75
    assert p_value(high, ordered, "k") <= p_value(low, ordered, "k")


def test_the_same_key_breaks_a_tie_the_same_way_and_keys_spread_over_all_ranks():
    ties = np.zeros(9)
    found = [p_value(0.0, ties, f"image {index}") for index in range(500)]
    assert found == [p_value(0.0, ties, f"image {index}") for index in range(500)]
    assert {round(p * 10) for p in found} == set(range(1, 11))


def test_p_of_exchangeable_scores_is_uniform():
    rng = np.random.default_rng(0)
    found = [p_value(rng.normal(), np.sort(rng.normal(size=199)), str(i)) for i in range(2000)]
    assert kstest(found, "uniform").pvalue > 0.01


def test_a_score_that_is_no_number_has_the_smallest_p():
    assert p_value(float("nan"), np.arange(9.0), "k") == 0.1


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60), st.integers(2, 12))
def test_no_group_is_split_over_folds(groups, folds):
    if len(set(groups)) < 2:
        return
    fold_of = fold_by_group(groups, folds)
    for group in set(groups):
        assert len({f for g, f in zip(groups, fold_of, strict=True) if g == group}) == 1
    assert len(set(fold_of)) == min(folds, len(set(groups)))


def test_a_row_is_scored_by_a_fit_that_saw_no_row_of_its_group():
    groups = list("aabbbcddde")
    seen: list[tuple[set[str], set[str]]] = []

    def score(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        seen.append(({groups[i] for i in train}, {groups[i] for i in held_out}))
        return held_out.astype(float)

    scores = cross_fit(groups, 3, score)
    assert scores.tolist() == list(range(10))
    assert all(not (train & held_out) for train, held_out in seen)


def test_one_group_cannot_be_left_out():
    with pytest.raises(ValueError, match="at least 2 groups, got 1"):
        fold_by_group(["a", "a"], 5)


@pytest.mark.parametrize(("views", "rank"), [(1, 1), (2, 1), (5, 1), (6, 2), (11, 3), (12, 3)])
def test_a_photo_counts_once_by_one_of_its_more_unusual_views(views: int, rank: int):
    rng = np.random.default_rng(views)
    scores, units = rng.exponential(size=3 * views), list("abc") * views
    found = unusual_per_unit(scores, units)
    expected = [sorted(scores[start::3], reverse=True)[rank - 1] for start in range(3)]
    assert found.tolist() == sorted(expected)


def views_of_two_sizes(
    photos: int, large: int, seed: int = 4
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Five ordinary views of each photo and a large one of `large` of them, whose scores are higher."""
    rng = np.random.default_rng(seed)
    names = [f"{index:03}" for index in range(photos)]
    units = [name for name in names for _ in range(5)] + names[:large]
    scales = np.repeat([9.0, 10.2], [5 * photos, large])
    oddness = dict(
        zip(names, rng.exponential(size=photos), strict=True)
    )  # views of a photo resemble
    scores = np.array([oddness[name] for name in units]) * rng.uniform(0.8, 1.2, len(units))
    return scores * np.where(scales > 9.5, 4, 1), scales, units


def test_each_size_is_compared_with_its_like_and_sizes_between_with_both():
    found = SizedScores.fit(*views_of_two_sizes(60, 50), 40)
    assert (len(found.ordinary), len(found.large)) == (60, 50)
    for score in (0.5, 3.0, 9.0):
        small, big = (p_value(score, one, "k") for one in (found.ordinary, found.large))
        assert found.p(score, 9.0, "k") == small
        assert found.p(score, 10.2, "k") == big
        middle = np.log2(720 * 900) / 2
        assert found.p(score, middle, "k") == pytest.approx((small + big) / 2)


def test_a_size_with_too_few_photos_is_not_told_from_the_other():
    scores, scales, units = views_of_two_sizes(60, 39)
    found = SizedScores.fit(scores, scales, units, 40)
    assert found.ordinary.tolist() == found.large.tolist()
    assert found.ordinary.tolist() == unusual_per_unit(scores, units).tolist()


def test_good_outputs_of_either_size_are_flagged_no_more_often_than_said():
    reference = SizedScores.fit(*views_of_two_sizes(400, 400), 40)
    scores, scales, _ = views_of_two_sizes(2000, 2000, seed=5)
    for scale in (9.0, 10.2):
        found = [reference.p(s, scale, str(i)) for i, s in enumerate(scores[scales == scale])]
        assert np.mean(np.array(found) <= 0.05) < 0.08
        assert np.mean(np.array(found) <= 0.01) < 0.03


def test_the_bound_of_the_false_alarm_rate_is_that_of_the_order_statistic():
    assert false_alarm_bound(200, 0.05) == pytest.approx(beta.ppf(0.95, 10, 191))
    assert 0.07 < false_alarm_bound(200, 0.05) < 0.08
    assert false_alarm_bound(10, 0.05) == 0.0


def test_q_values_grow_with_p_and_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5])
    expected = [0.04, 0.16 / 3, np.nan, 0.16 / 3, 0.5]
    assert q_values(p) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(q_values(np.full(3, np.nan))).all()


def test_flagging_by_q_keeps_the_rate_of_false_discoveries():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        p = np.concatenate([rng.uniform(size=90), rng.uniform(size=10) ** 8])
        flagged = q_values(p) <= 0.2
        shares.append(flagged[:90].sum() / max(flagged.sum(), 1))
    assert 0.1 < np.mean(shares) < 0.2
