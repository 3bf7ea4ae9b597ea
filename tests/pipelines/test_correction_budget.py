from dataclasses import replace
from itertools import count

from ganst.correction.strategies import OtherCheckpoint, Rerun
from ganst.correction.tuning import FineTuned
from pipelines.candidates import FlaggedImage, Row
from pipelines.correction_budget import (
    FAILURES_IN_A_ROW,
    WAVE,
    allowance,
    budget,
    in_waves,
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
        {"attempt_id": key, "attempt_no": 2 + n, "strategy": step.name, "decision": decision}
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


def test_waves_hold_every_image_once_whatever_there_is():
    for number in (0, 1, WAVE, WAVE + 1, 3 * WAVE):
        images = [image() for _ in range(number)]
        waves = in_waves(images)
        assert [flagged for wave in waves for flagged in wave] == images
        assert all(0 < len(wave) <= WAVE for wave in waves)


def test_few_images_go_in_small_waves_so_that_the_budget_is_looked_at_in_time():
    assert [len(wave) for wave in in_waves([image() for _ in range(10)])] == [4, 4, 2]
    assert {len(wave) for wave in in_waves([image() for _ in range(10 * WAVE)])} == {WAVE}


def test_a_try_is_paid_for_by_the_size_of_its_image():
    for pixels in (120_000, 12_000_000):
        flagged = replace(image(source="a"), pixels=pixels)
        attempts = {"a": tries(flagged, "accepted")}
        assert allowance([flagged], attempts).spent == RERUN.work(pixels)
    assert RERUN.work(12_000_000) > 10 * RERUN.work(120_000)


def test_what_was_tried_is_paid_for():
    images = [image(), image()]
    attempts = {
        images[0].row["source"]: tries(images[0], "refused", "accepted"),
        images[1].row["source"]: tries(images[1], "accepted"),
    }
    assert allowance(images, attempts).spent == 2 * RERUN.cost + OTHER.cost
    assert allowance([], attempts).spent == 0
    assert allowance(images, {}).spent == 0


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
