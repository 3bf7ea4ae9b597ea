"""CycleGAN (Zhu 2017, arXiv:1703.10593) with the weights and the order of updates of the public code.

A are photos, B are paintings: G_AB paints, and D_B judges paintings.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.discriminator import make_discriminator
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import Preset
from ganst.training import losses
from ganst.training.objectives import no_imitation
from ganst.training.replay import ReplayPool
from ganst.training.workbench import Workbench


class CycleGanObjective:
    """LSGAN both ways, L1 of the way there and back, L1 identity, and a pool of earlier fakes."""

    def __init__(self, preset: Preset, bench: Workbench) -> None:
        self.bench = bench
        self.G_AB, self.G_BA = (bench.place(ResnetGenerator(preset.generator)) for _ in range(2))
        self.D_A, self.D_B = (
            bench.place(make_discriminator(preset.discriminator)) for _ in range(2)
        )
        self.networks: dict[str, nn.Module] = {
            "G_AB": self.G_AB,
            "G_BA": self.G_BA,
            "D_A": self.D_A,
            "D_B": self.D_B,
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": bench.adam(self.G_AB, self.G_BA),
            "D": bench.adam(self.D_A, self.D_B),
        }
        size = bench.config.replay_size
        self.pools = {"A": ReplayPool(size), "B": ReplayPool(size)}

    @property
    def G(self) -> ResnetGenerator:  # noqa: N802
        """From photos to paintings."""
        return self.G_AB

    def learn_from(self, teacher: ResnetGenerator) -> None:
        """Raise TrainingError: its losses know no teacher."""
        raise no_imitation(self.G, teacher)

    def step(self, x: Tensor, y: Tensor, *, step: int, progress: float) -> dict[str, Tensor]:  # noqa: ARG002
        """One update of both generators, then of both discriminators."""
        bench = self.bench
        self._set_judging(is_judging=False)
        with bench.autocast:  # one block for all passes: weights are cast once
            # What a generator makes of both domains in one pass: half of the calls.
            fake_y, idt_y = self.G_AB(torch.cat([x, y])).float().chunk(2)
            fake_x, idt_x = self.G_BA(torch.cat([y, x])).float().chunk(2)
            back_x, back_y = self.G_BA(fake_y).float(), self.G_AB(fake_x).float()
            judged_x = self.D_A(bench.augmented(fake_x)).float()
            judged_y = self.D_B(bench.augmented(fake_y)).float()
        config = bench.config
        style = bench.style_factor * config.lambda_gan
        cycle = bench.content_factor * config.lambda_cycle
        identity = bench.content_factor * config.lambda_identity
        terms = {
            "G_AB": style * losses.generator_loss(judged_y),
            "G_BA": style * losses.generator_loss(judged_x),
            "cycle_A": cycle * F.l1_loss(back_x, x),
            "cycle_B": cycle * F.l1_loss(back_y, y),
            "idt_A": identity * F.l1_loss(idt_x, x),
            "idt_B": identity * F.l1_loss(idt_y, y),
        }
        told = bench.update(self.optimizers["G"], terms)
        self._set_judging(is_judging=True)
        return told | bench.update(
            self.optimizers["D"],
            {
                "D_A": self._judge(self.D_A, x, self._replayed("A", fake_x)),
                "D_B": self._judge(self.D_B, y, self._replayed("B", fake_y)),
            },
        )

    def _replayed(self, name: str, fakes: Tensor) -> Tensor:
        """What the pool gives for the whole batch, the same on every rank: this rank's part."""
        ranks = self.bench.ranks
        return ranks.share(self.pools[name].query(ranks.gather(fakes.detach()), self.bench.random))

    def _judge(self, D: nn.Module, reals: Tensor, fakes: Tensor) -> Tensor:
        bench = self.bench
        with bench.autocast:
            logits = D(torch.cat([bench.augmented(reals), bench.augmented(fakes)]))
        return losses.discriminator_loss(*logits.float().chunk(2))

    def _set_judging(self, *, is_judging: bool) -> None:
        for D in (self.D_A, self.D_B):
            D.requires_grad_(requires_grad=is_judging)
