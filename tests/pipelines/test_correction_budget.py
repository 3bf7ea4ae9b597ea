import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganst.correction.strategies import MEGAPIXEL, REFUSING, OtherCheckpoint, Rerun
from ganst.correction.tuning import FineTuned
from pipelines.candidates import FlaggedImage, Row
from pipelines.correction_budget import (
    FAILURES_IN_A_ROW,
    WAVE,
    allowance,
    budget,
    first_turns,
    most_work,
    next_wave,
    second_turns,
    size_of_wave,
    worst_first,
)

RERUN, OTHER = Rerun(), OtherCheckpoint()
_names = count()


def image(p: float | None = 0.01, *, source: str = "", forced: bool = False) -> FlaggedImage:
    source = source or f"photo{next(_names):05}"
    steps = tuple((f"{source}/{step.name}", step) for step in (RERUN, OTHER))
    row = {"source": source, "p_anomaly": p}
    return FlaggedImage(row=row, steps=steps, others=(), forced=forced)


def tries(flagged: FlaggedImage, *decisions: str) -> list[Row]:
    """Its first row, and one row for each of its first steps."""
    first = {"attempt_id": "first", "attempt_no": 1, "strategy": None, "decision": "first"}
    made = [
        {
            "attempt_id": key,
            "attempt_no": 2 + n,
            "strategy": step.name,
            "precision": step.precision,
            "decision": decision,
        }
        for n, ((key, step), decision) in enumerate(zip(flagged.steps, decisions, strict=False))
    ]
    return [first, *made]


def test_the_worst_come_first_and_a_persons_word_before_them():
    images = [
        image(0.04, source="a"),
        image(0.01, source="b"),
        image(None, source="c"),
        image(0.9, source="d", forced=True),
        image(0.01, source="aa"),
        replace(image(0.05, source="e"), damaged=True),
    ]
    order = [flagged.row["source"] for flagged in worst_first(images)]
    assert order == ["d", "e", "c", "aa", "b", "a"]


def in_waves(
    images: Sequence[FlaggedImage], allowed: float, outcome: Callable[[FlaggedImage], list[Row]]
) -> tuple[list[list[FlaggedImage]], float]:
    """All waves where every image comes to the `outcome`, and what is spent in the end."""
    attempts: dict[str, list[Row]] = {}
    waves, reached = [], 0
    while reached < len(images):
        left = allowance(images[:reached], attempts, allowed)
        num, wave = next_wave(images[reached:], left, size_of_wave(len(images)))
        assert num > 0
        reached += num
        waves.append(wave)
        attempts |= {flagged.row["source"]: outcome(flagged) for flagged in wave}
    return waves, allowance(images, attempts).spent


def refused(flagged: FlaggedImage) -> list[Row]:
    return tries(flagged, *(["refused"] * len(flagged.steps)))


def all_but_the_last_refused(flagged: FlaggedImage) -> list[Row]:
    return tries(flagged, *(["refused"] * (len(flagged.steps) - 1)), "accepted")


@pytest.mark.parametrize("number", [0, 1, WAVE, WAVE + 1, 40 * WAVE])
def test_waves_hold_every_image_once_whatever_there_is(number):
    images = [image() for _ in range(number)]
    waves, _ = in_waves(images, math.inf, lambda flagged: tries(flagged, "accepted"))
    assert [flagged for wave in waves for flagged in wave] == images
    assert all(0 < len(wave) <= size_of_wave(number) for wave in waves)
    assert len(waves) <= max(math.ceil(number / WAVE), 1) <= number + 1
    assert len(waves) <= 17


@given(
    st.lists(st.integers(10_000, 20_000_000), max_size=80),
    st.floats(0, 400),
    st.sampled_from([refused, all_but_the_last_refused]),
)
def test_no_wave_goes_over_the_budget_whatever_becomes_of_its_tries(sizes, allowed, outcome):
    images = [replace(image(), pixels=pixels) for pixels in sizes]
    waves, spent = in_waves(images, allowed, outcome)
    assert spent <= allowed + 1e-9
    tried = [flagged.row["source"] for wave in waves for flagged in wave]
    assert tried == [f.row["source"] for f in images if f.row["source"] in set(tried)]


def test_what_fewer_tries_leave_is_for_the_images_after_them():
    images = [image() for _ in range(6)]
    dear, _ = in_waves(images, 12.0, refused)
    cheap, _ = in_waves(images, 12.0, lambda flagged: tries(flagged, "accepted"))
    assert sum(map(len, cheap)) > len(cheap[0])
    assert sum(map(len, cheap)) > sum(map(len, dear)) - len(images)
    assert [len(flagged.steps) for flagged in cheap[0]] == [2] * len(cheap[0])


def test_an_image_too_large_for_the_rest_of_the_budget_does_not_keep_smaller_ones_from_it():
    images = [replace(image(), pixels=100_000_000), image()]
    waves, _ = in_waves(images, 5.0, refused)
    assert [flagged.row["source"] for wave in waves for flagged in wave] == [
        images[1].row["source"]
    ]


def test_a_try_is_paid_for_by_the_size_of_its_image():
    for pixels in (120_000, 12_000_000):
        flagged = replace(image(source="a"), pixels=pixels)
        attempts = {"a": tries(flagged, "accepted")}
        assert allowance([flagged], attempts).spent == pytest.approx(RERUN.work(pixels))
    assert RERUN.work(12_000_000) > 9 * RERUN.work(120_000)


def test_what_was_tried_is_paid_for():
    images = [image(), image()]
    attempts = {
        images[0].row["source"]: tries(images[0], "refused", "accepted"),
        images[1].row["source"]: tries(images[1], "accepted"),
    }
    paid = RERUN.making(MEGAPIXEL) + REFUSING + OTHER.work(MEGAPIXEL) + RERUN.work(MEGAPIXEL)
    assert allowance(images, attempts).spent == pytest.approx(paid)
    assert allowance([], attempts).spent == 0
    assert allowance(images, {}).spent == 0


def test_a_file_that_its_rerun_mends_is_not_paid_for_as_if_it_had_been_judged_in_full():
    flagged = replace(image(source="a"), damaged=True)
    mended = allowance([flagged], {"a": tries(flagged, "accepted")}).spent
    assert mended == pytest.approx(RERUN.making(MEGAPIXEL) + REFUSING)
    by_the_next = allowance([flagged], {"a": tries(flagged, "refused", "accepted")}).spent
    assert by_the_next == pytest.approx(mended + OTHER.work(MEGAPIXEL))


def test_a_strategy_that_keeps_failing_is_switched_off_and_only_that_one():
    images = [image() for _ in range(FAILURES_IN_A_ROW)]
    attempts = {flagged.row["source"]: tries(flagged, "refused", "accepted") for flagged in images}
    assert allowance(images[:-1], attempts).switched_off == frozenset()
    left = allowance(images, attempts)
    assert left.switched_off == {RERUN.name}
    assert [step for _, step in left.trims(image()).steps] == [OTHER]


def test_one_success_in_between_keeps_a_strategy():
    images = [image() for _ in range(2 * FAILURES_IN_A_ROW - 1)]
    attempts = {flagged.row["source"]: tries(flagged, "refused", "refused") for flagged in images}
    lucky = images[FAILURES_IN_A_ROW - 1]
    attempts[lucky.row["source"]] = tries(lucky, "accepted")
    assert allowance(images, attempts).switched_off == {OTHER.name}


def test_only_damaged_files_have_a_first_turn_and_what_it_mends_has_no_second():
    one, two, other = image(), image(), image()
    damaged = [replace(flagged, damaged=True) for flagged in (one, two)]
    told = replace(image(), damaged=True, refused=frozenset({"known"}))
    alone = replace(image(), damaged=True, steps=one.steps[:1])
    images = [*damaged, other, told, alone]
    firsts = first_turns(images)
    assert [flagged.steps for flagged in firsts] == [
        one.steps[:1],
        two.steps[:1],
        alone.steps,
    ]
    attempts = {
        one.row["source"]: tries(one, "accepted"),
        two.row["source"]: tries(two, "refused"),
        alone.row["source"]: tries(alone, "refused"),
    }
    seconds = second_turns(images, attempts)
    assert [flagged.row["source"] for flagged in seconds] == [
        flagged.row["source"] for flagged in (two, other, told)
    ]
    assert [flagged.behind for flagged in seconds] == [1, 0, 0]


def test_a_second_turn_pays_for_making_its_first_step_again():
    first = image(source="a")
    second = replace(first, behind=1)
    again = RERUN.making(MEGAPIXEL) + REFUSING
    attempts = {"a": tries(first, "refused", "accepted")}
    alone = allowance([replace(first, steps=first.steps[:1])], attempts).spent
    both = allowance([replace(first, steps=first.steps[:1]), second], attempts).spent
    assert both == pytest.approx(alone + again + OTHER.work(MEGAPIXEL))
    assert most_work(second) == pytest.approx(again + OTHER.work(MEGAPIXEL))
    enough, short = (
        allowance([], {}, most_work(second) + more).trims(second).steps for more in (0.01, -0.01)
    )
    assert (enough, short) == (first.steps, ())


def test_a_small_run_tries_everything_and_a_large_one_a_quarter_of_its_work():
    assert budget(10_000_000, "fp32") == budget(300_000_000, "bf16") == 100
    assert budget(10_000_000_000, "fp32") == 2_500
    assert budget(10_000_000_000, "fp32", share=1.0) == 10_000
    assert budget(10_000_000_000, "fp32", share=0.0) == 0


def test_half_precision_is_less_work_and_leaves_less_for_tries_in_full():
    assert 100 < budget(10_000_000_000, "bf16") < budget(10_000_000_000, "fp32")


def test_what_the_rest_of_the_budget_does_not_cover_is_not_begun():
    flagged = replace(image(), steps=(("rerun", RERUN), ("tuned", FineTuned())))
    enough, little = (allowance([], {}, allowed).trims(flagged) for allowed in (100.0, 5.0))
    assert [step.name for _, step in enough.steps] == ["rerun_fp32", "fine_tuned"]
    assert [step.name for _, step in little.steps] == ["rerun_fp32"]
