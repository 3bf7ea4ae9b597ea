import json
from dataclasses import replace

import pytest

from ganst.correction.ladder import STRATEGIES, ladder, parameters, work_of
from ganst.correction.retouching import StrengthBlend
from ganst.correction.strategies import JUDGING, OF_FP32, Rerun, RerunAsBefore
from ganst.correction.tuning import FineTuned
from ganst.scoring.faults import FAULTS

ALL = ("final", "early", "best")


@pytest.mark.parametrize("reason", [*FAULTS, "unknown", "unreadable", None])
def test_a_ladder_begins_with_one_run_and_tries_nothing_twice(reason):
    steps = ladder(reason, ("final", "early"))
    assert 1 <= len(steps) <= 5
    assert steps[0].runs == 1
    assert len(set(steps)) == len(steps)


@pytest.mark.parametrize("reason", [*FAULTS, None])
def test_what_need_not_be_in_full_precision_is_made_in_that_of_the_run(reason):
    for step in ladder(reason, ALL, "bf16"):
        full = step.name in {"rerun_fp32", "fine_tuned"}
        assert step.precision == ("fp32" if full else "bf16")
        assert not full or step in ladder(reason, ALL, "fp32")


@pytest.mark.parametrize("reason", [*FAULTS, None])
def test_a_damaged_file_is_made_again_as_it_was_made_and_nothing_else_changes(reason):
    first, *others = ladder(reason, ALL, "bf16", damaged=True)
    assert (first.name, first.precision) == ("rerun", "bf16")
    assert tuple(others) == ladder(reason, ALL, "bf16")[1:]
    assert ladder(reason, ALL, "fp32", damaged=True) == ladder(reason, ALL, "fp32")


@pytest.mark.parametrize("reason", list(FAULTS))
def test_a_style_with_one_checkpoint_is_not_asked_for_another(reason):
    steps = ladder(reason, ("final",))
    assert all(step.checkpoints == ("final",) for step in steps)
    # A rerun is left out where it can change nothing; something has to be left then.
    assert {step.name for step in steps} > {"rerun_fp32"}


def test_a_passthrough_is_not_mended_by_mixing_the_photo_in():
    names = [step.name for step in ladder("passthrough", ("final", "early"))]
    assert "second_pass" in names
    assert not {"strength_blend", "restored_structure"} & set(names)


def test_every_strategy_is_on_some_ladder():
    packs = [("final", "early"), ALL]
    offered = {
        step
        for reason in (*FAULTS, None)
        for pack in packs
        for damaged in (True, False)
        for step in ladder(reason, pack, "bf16", damaged=damaged)
    }
    assert {step.name for step in offered} == {step.name for step in STRATEGIES}


def test_without_an_early_checkpoint_the_best_one_takes_its_place():
    for reason in (*FAULTS, None):
        if "other_checkpoint" not in [step.name for step in ladder(reason, ("final", "early"))]:
            continue
        names = [step.name for step in ladder(reason, ("final", "best"))]
        assert names.count("best_checkpoint") == 1
        assert "other_checkpoint" not in names
        both = [step.name for step in ladder(reason, ALL)]
        assert "other_checkpoint" in both


def test_training_on_the_image_is_the_last_resort():
    for reason in (*FAULTS, None):
        kinds = [isinstance(step, FineTuned) for step in ladder(reason, ALL)]
        assert not any(kinds[:-1])


def test_parameters_are_json_and_tell_strategies_apart():
    texts = {strategy.name + json.dumps(parameters(strategy)) for strategy in STRATEGIES}
    texts |= {"strength_blend" + json.dumps(parameters(replace(StrengthBlend(), strength=0.9)))}
    assert len(texts) == len(STRATEGIES) + 1


def test_no_try_takes_more_than_was_set_aside_for_it_and_a_refused_one_takes_less():
    for strategy in STRATEGIES:
        done = (strategy.name, strategy.precision, 1_000_000)
        assert work_of(*done, accepted=True) == pytest.approx(strategy.work(1_000_000))
        assert work_of(*done, accepted=False) < strategy.work(1_000_000)


def test_judging_and_training_take_as_long_on_a_small_image_as_on_a_large_one():
    for strategy in STRATEGIES:
        small, large = (strategy.work(pixels) for pixels in (1, 4_000_000))
        assert small == pytest.approx(JUDGING + 12 * (strategy.name == "fine_tuned"), abs=1e-3)
        assert large > small + 3.9 * OF_FP32[strategy.precision]


def test_half_the_precision_is_less_work():
    assert RerunAsBefore().making(1_000_000) < 0.5 * Rerun().making(1_000_000)


@pytest.mark.parametrize("reason", ["blob", "blank", "patch", "seam", "grid"])
def test_for_a_fault_of_one_place_the_picture_is_not_painted_by_another_checkpoint(reason: str):
    steps = ladder(reason, ("final", "early", "best"))
    assert {step.checkpoints for step in steps} == {("final",)}
