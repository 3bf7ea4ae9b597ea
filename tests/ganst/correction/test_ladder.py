import json
from dataclasses import replace

import pytest

from ganst.correction.ladder import ladder, parameters
from ganst.correction.retouching import CheckpointColours, NormalisedInput, RestoredStructure
from ganst.correction.strategies import (
    OtherCheckpoint,
    Rerun,
    SecondPass,
    ShiftAverage,
    StrengthBlend,
)
from ganst.scoring.faults import FAULTS

ALL = (
    Rerun(),
    OtherCheckpoint(),
    ShiftAverage(),
    StrengthBlend(),
    SecondPass(),
    NormalisedInput(),
    RestoredStructure(),
    CheckpointColours(),
)


@pytest.mark.parametrize("reason", [*FAULTS, "unknown", "unreadable", None])
def test_a_ladder_goes_from_cheap_to_dear_and_stays_within_three_steps(reason):
    steps = ladder(reason, ("final", "early"))
    costs = [step.cost for step in steps]
    assert 1 <= len(steps) <= 3
    assert costs == sorted(costs)
    assert len(set(steps)) == len(steps)


@pytest.mark.parametrize("reason", list(FAULTS))
def test_a_style_with_one_checkpoint_is_not_asked_for_another(reason):
    steps = ladder(reason, ("final",))
    assert steps
    assert all(step.checkpoints == ("final",) for step in steps)


def test_a_passthrough_is_not_mended_by_mixing_the_photo_in():
    names = [step.name for step in ladder("passthrough", ("final", "early"))]
    assert "second_pass" in names
    assert not {"strength_blend", "restored_structure"} & set(names)


def test_every_strategy_is_on_some_ladder():
    offered = {step for reason in (*FAULTS, None) for step in ladder(reason, ("final", "early"))}
    assert offered == set(ALL)


def test_parameters_are_json_and_tell_strategies_apart():
    texts = {strategy.name + json.dumps(parameters(strategy)) for strategy in ALL}
    texts |= {"strength_blend" + json.dumps(parameters(replace(StrengthBlend(), strength=0.9)))}
    assert len(texts) == len(ALL) + 1
