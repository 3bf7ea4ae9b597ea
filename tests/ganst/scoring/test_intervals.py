import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ganst.scoring.intervals import wilson

_counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(_counts)
def test_the_interval_is_scipys(counts):
    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert wilson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("counts", [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match=f"{counts[0]} successes of {counts[1]}"):
        wilson(*counts)
