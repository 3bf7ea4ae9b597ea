import dataclasses

import pytest
import torch
import torch.nn.functional as F

from ganst.models.presets import PRESETS
from ganst.training import losses
from ganst.training.config import TrainConfig
from ganst.training.objectives.cyclegan import CycleGanObjective
from ganst.training.objectives.dagan import DaganObjective, check_crop
from ganst.training.recipes import recipe
from ganst.training.replay import ReplayPool
from ganst.training.workbench import Workbench
from tests.ganst.training.tiny import CPU, changes, tiny_trainer, weights_of

pytestmark = pytest.mark.usefixtures("small_presets")
_CYCLEGAN = recipe("cyclegan", crop_px=32, batch_size=2, precision="fp32")
_DAGAN = recipe("dagan", crop_px=32, batch_size=2, precision="fp32")


def _bench(config: TrainConfig) -> Workbench:
    return Workbench(config, CPU, torch.Generator().manual_seed(0))


def _images(rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = (torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1 for _ in range(2))
    return x, y


def _floats(losses: dict) -> dict[str, float]:
    return {name: float(loss) for name, loss in losses.items()}


@pytest.mark.parametrize("config", [_CYCLEGAN, _DAGAN])
def test_a_step_moves_all_networks(config):
    trainer = tiny_trainer(config)
    before = weights_of(trainer)
    trainer.step(0.5)
    assert all(moved for _, moved in changes(before, weights_of(trainer)))


@pytest.mark.parametrize("config", [_CYCLEGAN, _DAGAN])
def test_generators_learn_nothing_from_the_discriminator_step_and_the_other_way_round(
    config, monkeypatch
):
    trainer = tiny_trainer(config)
    for name in ("G", "D"):  # an optimizer that stands still keeps its networks where they are
        before = weights_of(trainer)
        with monkeypatch.context() as patch:
            patch.setattr(trainer.objective.optimizers[name], "step", lambda: None)
            trainer.step(0.5)
        moved = {network for network, moves in changes(before, weights_of(trainer)) if moves}
        assert moved
        assert not any(network.startswith(name) for network in moved)


def test_the_losses_of_cyclegan_are_those_of_the_paper(rng: torch.Generator):
    objective = CycleGanObjective(PRESETS["cyclegan"], _bench(_CYCLEGAN))
    x, y = _images(rng)
    G, F_, D_A, D_B = objective.G_AB, objective.G_BA, objective.D_A, objective.D_B
    with torch.no_grad():
        expected = {
            "G_AB": (D_B(G(x)) - 1).square().mean(),
            "G_BA": (D_A(F_(y)) - 1).square().mean(),
            "cycle_A": 10 * (F_(G(x)) - x).abs().mean(),
            "cycle_B": 10 * (G(F_(y)) - y).abs().mean(),
            "idt_A": 5 * (F_(x) - x).abs().mean(),
            "idt_B": 5 * (G(y) - y).abs().mean(),
            "D_A": 0.5 * ((D_A(x) - 1).square().mean() + D_A(F_(y)).square().mean()),
            "D_B": 0.5 * ((D_B(y) - 1).square().mean() + D_B(G(x)).square().mean()),
        }
    told = objective.step(x, y, step=0, progress=0.5)
    assert _floats(told) == pytest.approx(_floats(expected), rel=1e-5)


@pytest.mark.parametrize(("kind", "weight"), [("mse", 10.0), ("ce", 5.0)])
def test_the_losses_of_dagan_are_cross_entropies_and_a_content_loss(
    rng: torch.Generator, monkeypatch, kind, weight
):
    config = recipe("dagan", crop_px=32, batch_size=2, precision="fp32", content_loss=kind)
    objective = DaganObjective(PRESETS["dagan"], _bench(config))
    # D judges G's step with the weights seen here.
    monkeypatch.setattr(objective.optimizers["D"], "step", lambda: None)
    x, y = _images(rng)
    with torch.no_grad():
        fake = objective.G(x)
        real, fooled = objective.D(y).sigmoid(), objective.D(fake).sigmoid()
        share, wanted = (fake + 1) / 2, (x + 1) / 2
        entropy = -(wanted * share.log() + (1 - wanted) * (1 - share).log()).mean()
        content = (fake - x).square().mean() if kind == "mse" else entropy
        judged = -(0.9 * real.log() + 0.1 * (1 - real).log()).mean() - (1 - fooled).log().mean()
        expected = {"D": judged / 2, "G": -fooled.log().mean(), "content": weight * content}
    told = objective.step(x, y, step=0, progress=0.5)
    assert _floats(told) == pytest.approx(_floats(expected), rel=1e-4)


def test_the_public_recipes_are_what_the_presets_train_with():
    config = recipe("cyclegan")
    assert (config.learning_rate, config.batch_size, config.crop_px) == (2e-4, 1, 256)
    assert (config.lambda_cycle, config.lambda_identity, config.replay_size) == (10, 5, 50)
    assert [config.rate(p) for p in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([2e-4, 2e-4, 1e-4, 0])
    assert recipe("fast") == TrainConfig(preset="fast")
    assert recipe("cyclegan", batch_size=4, crop_px=None).batch_size == 4
    with pytest.raises(ValueError, match="no content loss 'l1': there are mse, ce"):
        recipe("dagan", content_loss="l1")


def test_a_pool_takes_until_it_is_full_then_swaps_half_of_the_time(rng: torch.Generator):
    pool = ReplayPool(50)
    numbered = torch.arange(1000.0)[:, None, None, None]
    judged = pool.query(numbered, rng).flatten()
    assert torch.equal(judged[:50], numbered[:50].flatten())
    is_new = judged[50:] == numbered[50:].flatten()
    assert 0.45 < is_new.float().mean() < 0.55
    assert (judged[50:][~is_new] < numbered[50:].flatten()[~is_new]).all()
    assert len(pool.images) == 50
    assert torch.equal(ReplayPool(0).query(numbered, rng), numbered)


def test_an_average_without_half_life_is_the_generator_itself():
    trainer = tiny_trainer(dataclasses.replace(_DAGAN, ema_half_life_images=0.0))
    trainer.step(0.1)
    for shipped, trained in zip(trainer.average.parameters(), trainer.G.parameters(), strict=True):
        assert torch.equal(shipped, trained)


def test_content_is_kept_where_the_loss_is_least(rng: torch.Generator):
    x, y = _images(rng)
    assert losses.content_loss(x, x, "mse") == 0
    assert losses.content_loss(x, x, "ce") < losses.content_loss(y, x, "ce")
    assert float(losses.content_loss(x, x, "ce")) == pytest.approx(
        float(F.binary_cross_entropy((x + 1) / 2, (x + 1) / 2))
    )


def test_crops_that_a_fully_connected_layer_cannot_judge_are_refused():
    check_crop(PRESETS["cyclegan"], 100)
    with pytest.raises(ValueError, match="a crop of a multiple of 16 pixels, got 100"):
        check_crop(PRESETS["dagan"], 100)
