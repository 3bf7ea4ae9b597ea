import json
from dataclasses import replace

import pytest

from ganst.correction.ladder import STRATEGIES, ladder, parameters, work_of
from ganst.correction.retouching import StrengthBlend
from ganst.correction.tuning import FineTuned
from ganst.scoring.faults import FAULTS

ALL = ("final", "early", "best")


@pytest.mark.parametrize("reason", [*FAULTS, "unknown", "unreadable", None])
def test_a_ladder_goes_from_cheap_to_dear_and_never_twice_the_same(reason):
    steps = ladder(reason, ("final", "early"))
    costs = [step.cost for step in steps]
    assert 1 <= len(steps) <= 5
    assert costs == sorted(costs)
    assert len(set(steps)) == len(steps)


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
        step for reason in (*FAULTS, None) for pack in packs for step in ladder(reason, pack)
    }
    assert offered == set(STRATEGIES)


def test_without_an_early_checkpoint_the_best_one_takes_its_place():
    for reason in (*FAULTS, None):
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


def test_every_try_has_its_price():
    for strategy in STRATEGIES:
        assert work_of(strategy.name, 1_000_000) == pytest.approx(strategy.cost)
        assert strategy.cost >= 2


def test_judging_and_training_take_as_long_on_a_small_image_as_on_a_large_one():
    for strategy in STRATEGIES:
        small, large = (work_of(strategy.name, pixels) for pixels in (1, 4_000_000))
        assert small == pytest.approx(13 if strategy.name == "fine_tuned" else 1, abs=1e-3)
        assert large > small + 3.9
