"""Hundreds of candidates that no person would deliver; `tests/benchmarks/gaming.py` does it on photos."""

from collections import Counter

import pytest
from torch import Tensor

from ganst.correction.acceptance import try_candidate
from ganst.correction.bench import Bench, Parent
from ganst.scoring.measuring import measure
from tests.ganst.correction.bad_candidates import bad_candidates
from tests.ganst.stand_in import requantised

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PAIRS = (0, 3)  # outputs that are accepted in place of a damaged one


def test_of_all_bad_candidates_none_is_accepted_and_the_good_output_is(stand_in):
    accepted: Counter[str] = Counter()
    for index in PAIRS:
        photo, output = stand_in.pair(index)
        others = [stand_in.pair(index + 70)]
        offered = 0
        for flagged in (255 - output, photo):
            assert offer(stand_in, photo, output, flagged, others)
        score = lambda image: stand_in.anomaly(photo, image)  # noqa: E731, B023 used at once
        for kind, candidate in bad_candidates(photo, output, others[0][1], score):
            offered += 1
            if offer(stand_in, photo, candidate.contiguous(), 255 - output, others):
                accepted[f"{kind} {offered}"] += 1
        assert offered >= 130
    assert accepted == {}


def offer(
    stand_in, photo: Tensor, candidate: Tensor, flagged: Tensor, others: list[tuple[Tensor, Tensor]]
) -> bool:
    calibration = stand_in.calibration
    columns = measure(photo, flagged, calibration.reference)
    parent = Parent(pixels=flagged, judgement=calibration.judge(columns, "key"))
    bench = Bench(
        calibration=calibration, alpha=0.05, others=others, recompress=requantised, key="key"
    )
    return try_candidate(photo, candidate, parent, (), bench).accepted
