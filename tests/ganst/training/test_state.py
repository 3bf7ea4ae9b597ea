import dataclasses

import pytest
import safetensors.torch
import torch

from ganst.errors import CheckpointError
from ganst.training import workbench
from ganst.training.config import Budget
from ganst.training.loop import Trainer, run_steps
from ganst.training.state import capture, from_bytes, restore, restore_weights, to_bytes
from tests.ganst.training.tiny import CONFIG, changes, tiny_trainer, weights_of

_BUDGET = Budget(images=24)


def _train(trainer: Trainer, num_steps: int | None = None) -> Trainer:
    for event in run_steps(trainer, _BUDGET, lambda: 0.0):
        if event.step == num_steps:
            break
    return trainer


@pytest.mark.usefixtures("small_presets")
@pytest.mark.parametrize("preset", ["tiny", "cyclegan", "dagan"])
def test_a_training_that_was_saved_half_way_ends_bit_for_bit_as_an_undisturbed_one(preset):
    config = dataclasses.replace(CONFIG, preset=preset, early_at=0.25, replay_size=4)
    straight = capture(_train(tiny_trainer(config)))
    saved = to_bytes(capture(_train(tiny_trainer(config), 6)))
    resumed = tiny_trainer(dataclasses.replace(config, seed=5))  # nothing of its own start is left
    restore(resumed, from_bytes(saved))
    assert resumed.num_images == 12
    again = capture(_train(resumed))
    assert again.facts == straight.facts
    assert again.tensors.keys() == straight.tensors.keys()
    assert all(torch.equal(again.tensors[name], straight.tensors[name]) for name in again.tensors)


def test_a_training_goes_on_in_the_precision_it_began_in(monkeypatch):
    config = dataclasses.replace(CONFIG, precision="auto")
    monkeypatch.setattr(workbench, "choose_precision", lambda **_: "bf16")
    begun = tiny_trainer(config)
    monkeypatch.setattr(workbench, "choose_precision", lambda **_: "fp32")
    resumed = tiny_trainer(config)
    assert resumed.bench.precision == "fp32"
    restore(resumed, capture(begun))
    assert resumed.bench.precision == "bf16"
    with resumed.bench.autocast:
        assert torch.is_autocast_enabled("cpu")


def test_a_state_is_a_copy_that_training_does_not_touch():
    trainer = _train(tiny_trainer(), 2)
    state = capture(trainer)
    before = {name: tensor.clone() for name, tensor in state.tensors.items()}
    restore(trainer, state)
    _train(trainer)
    assert all(torch.equal(before[name], state.tensors[name]) for name in before)


def test_a_roll_back_brings_weights_back_but_neither_budget_nor_randomness():
    trainer = _train(tiny_trainer(), 2)
    state, before = capture(trainer), weights_of(trainer)
    _train(trainer, 4)
    random = trainer.random.get_state()
    restore_weights(trainer, state)
    assert not any(moved for _, moved in changes(before, weights_of(trainer)))
    assert trainer.num_images == 8
    assert torch.equal(trainer.random.get_state(), random)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "truncated or no checkpoint"),
        (lambda _: b"", "truncated or no checkpoint"),
        (lambda _: b"\x80\x05 a pickle of somebody", "truncated or no checkpoint"),
        (lambda _: safetensors.torch.save({"a": torch.ones(2)}), "not written by a training"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_a_sentence(damage, message):
    data = to_bytes(capture(tiny_trainer()))
    with pytest.raises(CheckpointError, match=message):
        from_bytes(damage(data))


def test_a_state_of_other_networks_is_refused():
    state = capture(tiny_trainer())
    del state.tensors["network.D.stem.bias"]
    with pytest.raises(CheckpointError, match=r"not of this training: .*stem\.bias"):
        restore(tiny_trainer(), state)
