"""The bins of the page's histogram."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.histogram import HEIGHT, NUM_BINS, histogram

_ps = st.lists(st.floats(0, 1), max_size=200)


@given(_ps)
def test_every_value_is_in_one_bin(p_values):
    assert sum(bar.count for bar in histogram(p_values, 0.05).bars) == len(p_values)


@given(st.lists(st.integers(1, 999).map(lambda k: k / 1000), min_size=1))
def test_bins_agree_with_numpy_where_no_value_is_on_an_edge(p_values):
    inside = [p + 0.0001 for p in p_values]
    expected, _ = np.histogram(inside, bins=NUM_BINS, range=(0, 1))
    assert [bar.count for bar in histogram(inside, 0.05).bars] == expected.tolist()


def test_the_first_bin_holds_exactly_what_alpha_flags():
    bars = histogram([0.0, 0.03, 0.05, 0.0501, 1.0], 0.05).bars
    assert (bars[0].count, bars[1].count, bars[-1].count) == (3, 1, 1)
    assert [bar.is_flagged for bar in bars] == [True] + [False] * (NUM_BINS - 1)


def test_the_level_line_is_as_high_as_a_bar_of_the_mean_count():
    drawn = histogram([(i + 0.5) / 40 for i in range(40)], 0.05)
    assert drawn.level_y == 0
    assert {bar.height for bar in drawn.bars} == {HEIGHT}
