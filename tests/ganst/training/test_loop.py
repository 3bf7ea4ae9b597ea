import pytest
import torch

from ganst.errors import TrainingError
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.training.bank import ImageBank
from ganst.training.config import Budget, TrainConfig
from ganst.training.ema import Ema
from ganst.training.loop import Trainer, fit, run_steps

_CPU = torch.device("cpu")
_CONFIG = TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.0, precision="fp32")


def _bank(seed: int, hue: int) -> ImageBank:
    rng = torch.Generator().manual_seed(seed)
    images = [
        torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=rng) for _ in range(3)
    ]
    for image in images:
        image[hue] = 200
    return ImageBank.of(images, _CPU, 1024)


def _trainer(config: TrainConfig = _CONFIG) -> Trainer:
    return Trainer(config, _bank(0, 0), _bank(1, 2), _CPU)


def test_the_same_seed_trains_the_same_weights_bit_for_bit():
    first, second = (fit(_trainer(), Budget(images=8)) for _ in range(2))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_step_moves_generator_discriminator_and_patch_networks():
    trainer = _trainer()
    before = [p.clone() for p in (trainer.G.stem.conv.weight, trainer.D.stem.weight)]
    nce_before = next(trainer.nce.parameters()).clone()
    trainer.step(0.5)
    assert not torch.equal(before[0], trainer.G.stem.conv.weight)
    assert not torch.equal(before[1], trainer.D.stem.weight)
    assert not torch.equal(nce_before, next(trainer.nce.parameters()))


def test_the_discriminator_rests_while_the_generator_warms_up():
    trainer = _trainer(TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.5))
    before = trainer.D.stem.weight.clone()
    parts = trainer.step(0.1)
    assert torch.equal(before, trainer.D.stem.weight)
    assert parts.keys() == {"copy", "idt"}


def test_a_budget_of_images_is_met_exactly():
    events = list(run_steps(_trainer(), Budget(images=10), clock=lambda: 0.0))
    assert [event.num_images for event in events] == [2, 4, 6, 8, 10]


def test_a_budget_of_minutes_ends_by_the_clock():
    seconds = iter(range(0, 1000, 15))
    events = list(run_steps(_trainer(), Budget(minutes=1), clock=lambda: float(next(seconds))))
    assert [event.progress for event in events] == [0.25, 0.5, 0.75, 1.0]
    assert events[1].remaining_s == pytest.approx(30)


def test_the_early_checkpoint_is_older_than_the_final_one():
    trainer = _trainer()
    final = fit(trainer, Budget(images=12))
    assert isinstance(trainer.early, ResnetGenerator)
    assert not torch.equal(trainer.early.stem.conv.weight, final.stem.conv.weight)


def test_the_rate_is_constant_then_falls_to_zero():
    config = TrainConfig(learning_rate=1.0, decay_from=0.6)
    assert [config.rate(p) for p in (0.0, 0.6, 0.8, 1.0)] == pytest.approx([1, 1, 0.5, 0])


def test_a_loss_that_stays_infinite_ends_training_with_a_sentence():
    trainer = _trainer()
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


def test_crops_have_the_size_asked_for_even_from_smaller_images(rng: torch.Generator):
    bank = ImageBank.of([torch.zeros(3, 20, 300, dtype=torch.uint8)], _CPU, 1024)
    assert bank.crops(4, 32, (0.5, 1.0), rng).shape == (4, 3, 32, 32)


def test_large_images_are_kept_small():
    bank = ImageBank.of([torch.full((3, 400, 100), 7, dtype=torch.uint8)], _CPU, 200)
    assert bank.images[0].shape == (3, 200, 50)
    assert bank.images[0].unique().tolist() == [7]


def test_a_started_generator_rests_while_the_discriminator_warms_up():
    trainer = _trainer(TrainConfig(preset="tiny", crop_px=32, batch_size=2, warm_up=0.5))
    start = ResnetGenerator(PRESETS["tiny"].generator)
    trainer.start_from(start)
    judged = trainer.D.stem.weight.clone()
    assert trainer.step(0.1).keys() == {"D"}
    assert torch.equal(trainer.G.stem.conv.weight, start.stem.conv.weight)
    assert not torch.equal(trainer.D.stem.weight, judged)
    trainer.step(0.6)
    assert not torch.equal(trainer.G.stem.conv.weight, start.stem.conv.weight)


def test_a_start_of_another_architecture_is_refused():
    with pytest.raises(TrainingError, match="cannot start from"):
        _trainer().start_from(ResnetGenerator(PRESETS["fast"].generator))
