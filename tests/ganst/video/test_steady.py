from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganst.video.steady import SharingSchedule, Statistics

SCHEDULES = st.builds(
    SharingSchedule,
    every=st.integers(1, 9),
    window=st.integers(1, 5),
    keep=st.sampled_from([0.0, 0.5, 0.9]),
)


@given(SCHEDULES, st.integers(1, 60), st.data())
def test_the_anchors_that_are_needed_are_those_that_are_asked_for(schedule, length, data):
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    needed = schedule.needed(start, stop, length)
    assert all(number * schedule.every < length for number in needed)
    measured: dict[int, Statistics] = {
        number: (torch.full((2, 3), float(number)),) for number in needed
    }
    for position in range(start, stop):
        (values,) = schedule.at(measured, position, length)
        assert needed[0] <= float(values[0, 0]) <= needed[-1]


def test_statistics_change_slowly_and_start_anew_with_the_shot():
    schedule = SharingSchedule(every=4, window=3, keep=0.5)
    measured: dict[int, Statistics] = {n: (torch.tensor([float(n == 2)]),) for n in range(5)}
    at = [float(schedule.at(measured, position, 20)[0]) for position in range(20)]
    assert at[:4] == [0.0] * 4
    # The third anchor counts 4/7 at its own frame, and less and less behind it.
    assert at[8] == pytest.approx(4 / 7)
    assert at[4:9] == pytest.approx([k / 4 * 4 / 7 for k in range(5)])
    assert at[8] > at[10] > at[12] > at[16]
    assert max(abs(a - b) for a, b in pairwise(at)) < 0.2


@pytest.mark.parametrize("wrong", [{"every": 0}, {"window": 0}, {"keep": 1.0}])
def test_a_schedule_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        SharingSchedule(**wrong)
