"""The step of `cyclegan` next to the same step written out, a pass and an optimizer at a time."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.presets import PRESETS
from ganst.training.objectives.cyclegan import CycleGanObjective
from ganst.training.recipes import recipe
from ganst.training.workbench import Workbench
from tests.ganst.training.tiny import CPU, tiny_trainer, weights_of

pytestmark = pytest.mark.usefixtures("small_presets")
_CONFIG = recipe("cyclegan", crop_px=32, batch_size=2, precision="fp32")


def _toward(logits: Tensor, label: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, label))


def _plain_step(nets: dict[str, nn.Module], x: Tensor, y: Tensor) -> None:
    G, F_, D_A, D_B = (nets[name] for name in ("G_AB", "G_BA", "D_A", "D_B"))
    optimizers = [
        torch.optim.Adam(itertools.chain(a.parameters(), b.parameters()), 2e-4, (0.5, 0.999))
        for a, b in ((G, F_), (D_A, D_B))
    ]
    fake_y, fake_x = G(x), F_(y)
    loss = _toward(D_B(fake_y), 1) + _toward(D_A(fake_x), 1)
    loss = loss + 10 * (F.l1_loss(F_(fake_y), x) + F.l1_loss(G(fake_x), y))
    loss = loss + 5 * (F.l1_loss(G(y), y) + F.l1_loss(F_(x), x))
    loss.backward()
    optimizers[0].step()
    optimizers[1].zero_grad()
    for D, real, fake in ((D_A, x, fake_x.detach()), (D_B, y, fake_y.detach())):
        (0.5 * (_toward(D(real), 1) + _toward(D(fake), 0))).backward()
    optimizers[1].step()


def test_the_gradients_of_a_step_are_those_of_the_plain_one(rng: torch.Generator):
    bench = Workbench(_CONFIG, CPU, torch.Generator().manual_seed(0))
    objective = CycleGanObjective(PRESETS["cyclegan"], bench)
    plain = {name: copy.deepcopy(net) for name, net in objective.networks.items()}
    x, y = (torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1 for _ in range(2))
    objective.step(x, y, step=0, progress=0.0)
    _plain_step(plain, x, y)
    for name, net in objective.networks.items():
        for ours, theirs in zip(net.parameters(), plain[name].parameters(), strict=True):
            assert ours.grad is not None
            assert theirs.grad is not None
            largest = float(theirs.grad.abs().max())
            torch.testing.assert_close(
                ours.grad, theirs.grad, rtol=1e-3, atol=1e-5 * largest + 1e-7
            )


def test_nothing_moves_in_an_update_whose_loss_is_not_finite():
    trainer = tiny_trainer(_CONFIG)
    trainer.step(0.0)
    before = weights_of(trainer)
    steps = [float(v["step"]) for v in trainer.objective.optimizers["G"].state.values()]
    loss = sum(p.sum() for p in trainer.G.parameters()) * float("nan")
    assert isinstance(loss, Tensor)
    trainer.bench.update(trainer.objective.optimizers["G"], {"bad": loss})
    trainer.bench.end_step()
    assert trainer.bench.nonfinite_steps == 1
    for name, weights in weights_of(trainer).items():
        assert all(torch.equal(a, b) for a, b in zip(before[name], weights, strict=True))
    states = trainer.objective.optimizers["G"].state.values()
    assert [float(v["step"]) for v in states] == steps
    trainer.step(0.0)
    assert trainer.bench.nonfinite_steps == 0
