"""What a training minimises: one module an objective, the loop knows only what `Objective` says."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from ganst.errors import TrainingError
from ganst.models.generator import ResnetGenerator
from ganst.training.replay import ReplayPool


class Objective(Protocol):
    """Networks, their optimizers, and one step of all of them.

    The names of networks, optimizers and pools are those in a checkpoint.
    """

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Everything with weights."""
        ...

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Whose learning rate the loop sets before each step."""
        ...

    @property
    def pools(self) -> Mapping[str, ReplayPool]:
        """Earlier fakes, where the objective keeps some."""
        ...

    @property
    def G(self) -> ResnetGenerator:  # noqa: N802
        """From photos to paintings: what is averaged and shipped."""
        ...

    def learn_from(self, teacher: ResnetGenerator) -> None:
        """Imitate a generator of another architecture at first.

        Raises:
            TrainingError: This objective imitates nobody.

        """
        ...

    def step(self, x: Tensor, y: Tensor, *, step: int, progress: float) -> dict[str, Tensor]:
        """One update on this rank's photos `x` and paintings `y`, `[b, 3, H, W]` in [-1, 1].

        `progress` is the share of the budget that is spent. Gives the weighted losses, on the device.
        """
        ...


def no_imitation(G: ResnetGenerator, teacher: ResnetGenerator) -> TrainingError:
    """What an objective that imitates nobody says to a `teacher` of another architecture than `G`."""
    return TrainingError(
        f"cannot start from a generator of {teacher.config}: "
        f"this training has {G.config}, and imitates no other"
    )
