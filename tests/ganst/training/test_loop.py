import dataclasses

import pytest
import torch

from ganst.errors import TrainingError
from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.training.bank import ImageBank
from ganst.training.config import Budget, TrainConfig
from ganst.training.ema import Ema
from ganst.training.loop import fit, run_steps
from tests.ganst.training.tiny import CONFIG, CPU, changes, tiny_trainer, weights_of


def test_the_same_seed_trains_the_same_weights_bit_for_bit():
    first, second = (fit(tiny_trainer(), Budget(images=8)) for _ in range(2))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_step_moves_generator_discriminator_and_patch_networks():
    trainer = tiny_trainer()
    before = weights_of(trainer)
    trainer.step(0.5)
    assert {name for name, moved in changes(before, weights_of(trainer)) if moved} == {
        "G",
        "D",
        "nce",
    }


def test_the_discriminator_rests_while_the_generator_warms_up():
    trainer = tiny_trainer(TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.5))
    before = weights_of(trainer)
    parts = trainer.step(0.1)
    assert ("D", False) in changes(before, weights_of(trainer))
    assert parts.keys() == {"copy", "idt"}


@pytest.mark.parametrize(("probability", "is_graded"), [(0.0, False), (1.0, True)])
def test_photos_are_graded_and_paintings_are_not(
    probability: float, is_graded: bool, monkeypatch: pytest.MonkeyPatch
):
    trainer = tiny_trainer(dataclasses.replace(CONFIG, grade_probability=probability))
    seen = {}
    monkeypatch.setattr(
        trainer.objective, "step", lambda x, y, **_: seen.update(x=x, y=y) or {"G": x.sum()}
    )
    trainer.step(0.5)
    # In the banks one channel of all photos, and another of all paintings, has one value.
    assert (seen["x"][:, 0].std() > 0.01) == is_graded
    assert seen["y"][:, 2].std() < 1e-5


def test_a_budget_of_images_is_met_exactly():
    events = list(run_steps(tiny_trainer(), Budget(images=10), clock=lambda: 0.0))
    assert [event.num_images for event in events] == [2, 4, 6, 8, 10]


def test_a_budget_of_minutes_ends_by_the_clock():
    seconds = iter(range(0, 1000, 15))
    events = list(run_steps(tiny_trainer(), Budget(minutes=1), clock=lambda: float(next(seconds))))
    assert [event.progress for event in events] == [0.25, 0.5, 0.75, 1.0]
    assert events[1].remaining_s == pytest.approx(30)


def test_the_early_checkpoint_is_older_than_the_final_one():
    trainer = tiny_trainer()
    final = fit(trainer, Budget(images=12))
    assert isinstance(trainer.early, ResnetGenerator)
    assert not torch.equal(trainer.early.stem.conv.weight, final.stem.conv.weight)


def test_the_rate_is_constant_then_falls_to_zero():
    config = TrainConfig(learning_rate=1.0, decay_from=0.6)
    assert [config.rate(p) for p in (0.0, 0.6, 0.8, 1.0)] == pytest.approx([1, 1, 0.5, 0])


def test_a_loss_that_stays_infinite_ends_training_with_a_sentence():
    trainer = tiny_trainer()
    with torch.no_grad():
        trainer.G.head.conv.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite 20 times in a row"):
        fit(trainer, Budget(images=1000))


@pytest.mark.parametrize("budget", [{}, {"minutes": 1.0, "images": 5}, {"images": -1}])
def test_a_budget_is_minutes_or_images_and_positive(budget: dict):
    with pytest.raises(ValueError, match=r"minutes or images|positive"):
        Budget(**budget)


def test_the_average_follows_the_half_life():
    model = ResnetGenerator(PRESETS["tiny"].generator)
    ema = Ema(model, half_life_images=10)
    ema.num_images = 1000  # past the ramp
    start = model.stem.conv.weight.detach().clone()
    with torch.no_grad():
        model.stem.conv.weight.add_(1.0)
    ema.update(model, batch_size=10)
    averaged = dict(ema.model.named_parameters())["stem.conv.weight"]
    torch.testing.assert_close(averaged, start + 0.5)


def test_every_average_leaves_plain_areas_plain():
    trainer = tiny_trainer()
    final = fit(trainer, Budget(images=12))
    assert trainer.early is not None
    for generator in (trainer.early, final):
        assert _unevenness(generator) < 1e-6
    assert _unevenness(trainer.G) > 1e-4


def _unevenness(generator: ResnetGenerator) -> float:
    """How far the kernels' sums of the pixels of a shuffled block lie apart."""
    sums = generator.head.conv.weight.detach().sum((2, 3)).unflatten(0, (3, -1))
    return float((sums - sums[:, :1]).abs().max())


def test_crops_have_the_size_asked_for_even_from_smaller_images(rng: torch.Generator):
    bank = ImageBank.of([torch.zeros(3, 20, 300, dtype=torch.uint8)], CPU, 1024)
    assert bank.cut(bank.draw(4, 32, (0.5, 1.0), rng), 32).shape == (4, 3, 32, 32)


def test_large_images_are_kept_small():
    bank = ImageBank.of([torch.full((3, 400, 100), 7, dtype=torch.uint8)], CPU, 200)
    assert bank.images[0].shape == (3, 200, 50)
    assert bank.images[0].unique().tolist() == [7]


def test_a_started_generator_rests_while_the_discriminator_warms_up():
    trainer = tiny_trainer(TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.5))
    start = ResnetGenerator(PRESETS["tiny"].generator)
    trainer.start_from(start)
    before = weights_of(trainer)
    assert trainer.step(0.1).keys() == {"D"}
    rested = weights_of(trainer)
    assert changes(before, rested) == [("G", False), ("D", True), ("nce", False)]
    trainer.step(0.6)
    assert ("G", True) in changes(rested, weights_of(trainer))


def test_a_start_that_ignored_exposure_goes_on_as_one_that_keeps_it(monkeypatch):
    keeping = dataclasses.replace(PRESETS["tiny"].generator, exposure="kept")
    preset = dataclasses.replace(PRESETS["tiny"], generator=keeping)
    monkeypatch.setitem(PRESETS, "tiny", preset)
    trainer = tiny_trainer(TrainConfig(preset="tiny", crop_px=32, batch_size=2))
    start = ResnetGenerator(dataclasses.replace(keeping, exposure="ignored"))
    trainer.start_from(start)
    assert torch.equal(trainer.G.stem.conv.weight, start.stem.conv.weight)
    averaged = trainer.ema.model
    assert isinstance(averaged, ResnetGenerator)
    assert averaged.config.exposure == "kept"


def test_a_generator_paints_like_a_start_of_another_architecture_before_it_goes_its_own_way(rng):
    config = TrainConfig(preset="tiny", crop_px=32, batch_size=2, imitate=0.5, learning_rate=8e-4)
    trainer = tiny_trainer(config)
    teacher = ResnetGenerator(GeneratorConfig(width=4, num_blocks=1, skip="lowpass")).eval()
    with torch.no_grad():
        dict(teacher.named_parameters())["head.conv.bias"].fill_(2.0)  # all its pictures are bright
    trainer.start_from(teacher)
    x = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1

    def distance() -> float:
        with torch.no_grad():
            return float((trainer.G(x) - teacher(x)).abs().mean())

    before = distance()
    for _ in range(40):
        assert trainer.step(0.1).keys() >= {"D", "imitate"}
    assert distance() < 0.5 * before
    assert "imitate" not in trainer.step(0.6)
    assert teacher.training is False


def test_an_objective_that_imitates_nobody_refuses_a_start_of_another_architecture():
    config = TrainConfig(preset="dagan", crop_px=32, batch_size=2)
    with pytest.raises(TrainingError, match="imitates no other"):
        tiny_trainer(config).start_from(ResnetGenerator(PRESETS["fast"].generator))
