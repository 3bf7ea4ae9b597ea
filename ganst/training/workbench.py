"""What every objective works with: randomness, ranks, precision, augmentation, and how to update."""

from collections.abc import Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.errors import TrainingError
from ganst.precision import choose_precision
from ganst.training.augment import augment, grade
from ganst.training.config import TrainConfig
from ganst.training.ranks import ALONE, Ranks

ModuleT = TypeVar("ModuleT", bound=nn.Module)

MAX_NONFINITE_STEPS = 20  # in a row; a few are bad luck, this many are divergence
_BETAS = (0.5, 0.999)


class Workbench:
    """Shared by the objective and the loop of one training.

    The factors are 1 until a guard changes them: `rate_factor` scales the learning rate,
    `content_factor` the losses that hold on to the photo, `style_factor` those that pull to the paintings.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        random: torch.Generator,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config, self.device, self.random, self.ranks = config, device, random, ranks
        self.precision = config.precision  # kept when a training is resumed, on whatever machine
        if config.precision == "auto":
            # All ranks must compute alike, whatever each has measured.
            (is_bf16,) = ranks.agree(float(choose_precision(training=True) == "bf16"))
            self.precision = "bf16" if is_bf16 else "fp32"
        self.is_tuned = False  # the generator came from a style pack
        self.augment_probability = config.augment_probability
        self.rate_factor = self.content_factor = self.style_factor = 1.0
        # Kept on the device, so that no step waits for the one before: updates that moved nothing,
        # since a step without any, and those of the step that is under way.
        self._nonfinite = torch.zeros((), device=device)
        self._failed = torch.zeros((), device=device)

    @property
    def autocast(self) -> torch.autocast:
        """A context in which networks compute in this training's precision."""
        is_bf16 = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=is_bf16)

    @property
    def batch_size(self) -> int:
        """Images in a step, over all ranks."""
        return self.ranks.size * self.config.batch_size

    @property
    def nonfinite_steps(self) -> int:
        """Updates that moved nothing, since a step without any; waits for the device."""
        return int(self._nonfinite)

    @nonfinite_steps.setter
    def nonfinite_steps(self, count: int) -> None:
        self._nonfinite = torch.full((), float(count), device=self.device)

    def place(self, module: ModuleT) -> ModuleT:
        """Start weights, on the device that trains."""
        return init_weights(module, self.random).to(self.device)

    def adam(self, *modules: nn.Module) -> torch.optim.Adam:
        """The optimizer of all GANs here; its rate is set before each step.

        Fused: one pass over the weights, and it leaves out a step of its own if the losses say so.
        """
        parameters = [p for module in modules for p in module.parameters()]
        return torch.optim.Adam(parameters, self.config.learning_rate, _BETAS, fused=True)

    def augmented(self, images: Tensor) -> Tensor:
        """What a discriminator is to see of this rank's `images`."""
        if self.augment_probability == 0:
            return images
        return augment(images, self.random, self.augment_probability, self.ranks)

    def graded(self, photos: Tensor) -> Tensor:
        """What the generator is to see of this rank's `photos`."""
        if self.config.grade_probability == 0:
            return photos
        return grade(photos, self.random, self.config.grade_probability, self.ranks)

    def update(
        self, optimizer: torch.optim.Optimizer, terms: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Step down the sum of `terms`, means over this rank's images; their means over all ranks.

        Nothing moves if one of them is not finite.
        """
        optimizer.zero_grad(set_to_none=True)
        losses = torch.stack(list(terms.values()))
        losses.sum().backward()
        losses = losses.detach()
        self.ranks.average_([losses, *_gradients(optimizer)])
        is_bad = (~torch.isfinite(losses).all()).float()
        optimizer.found_inf = is_bad  # pyrefly: ignore[missing-attribute]  the fused step reads it
        optimizer.step()
        self._failed += is_bad
        return dict(zip(terms, losses, strict=True))

    def end_step(self) -> None:
        """Count the failures of the step that has ended.

        Not after each update: a discriminator that is well must not hide a generator that is not.
        """
        self._nonfinite = (self._nonfinite + self._failed) * (self._failed > 0)
        self._failed = torch.zeros_like(self._failed)

    def check_finite(self) -> None:
        """Wait for the device, and see whether losses have been finite.

        Raises:
            NotFiniteError: Twenty times in a row or more they were not.

        """
        count = self.nonfinite_steps
        if count >= MAX_NONFINITE_STEPS:
            raise NotFiniteError(
                f"training diverged: the loss was not finite {count} times in a row; "
                f"try a lower learning rate (now {self.config.learning_rate * self.rate_factor:g})"
            )


class NotFiniteError(TrainingError):
    """The loss stays infinite or no number."""


def init_weights(module: ModuleT, generator: torch.Generator) -> ModuleT:
    """Weights from normal(0, 0.02) as in CycleGAN, biases zero, all drawn from `generator`.

    Scales of a norm stay one.
    """
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, 0.0, 0.02, generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    for name, buffer in module.named_buffers():
        # Spectral norm starts its power iteration from vectors of torch's global generator.
        if name.endswith(("._u", "._v")):
            buffer.copy_(F.normalize(torch.randn(buffer.shape, generator=generator), dim=0))
    return module


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [p.grad for p in parameters if p.grad is not None]
