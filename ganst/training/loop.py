"""One training run: photos and paintings in, an averaged generator out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.errors import TrainingError
from ganst.inference import choose_precision
from ganst.models.discriminator import make_discriminator
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.training import losses
from ganst.training.augment import augment
from ganst.training.bank import ImageBank
from ganst.training.config import Budget, TrainConfig
from ganst.training.ema import Ema

ModuleT = TypeVar("ModuleT", bound=nn.Module)

_MAX_NONFINITE_STEPS = 20  # in a row; a few are bad luck, this many are divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEvent:
    """Where training stands after a step."""

    step: int
    num_images: int
    progress: float  # of the budget, 0..1
    elapsed_s: float
    losses: dict[str, float]

    @property
    def remaining_s(self) -> float:
        """Estimated seconds to the end of the budget."""
        return self.elapsed_s * (1 - self.progress) / max(self.progress, 1e-9)


class Trainer:
    """The networks, optimizers and generators of randomness of one run."""

    def __init__(
        self, config: TrainConfig, photos: ImageBank, paintings: ImageBank, device: torch.device
    ) -> None:
        preset = PRESETS[config.preset]
        self.config, self.photos, self.paintings, self.device = config, photos, paintings, device
        self.random = torch.Generator().manual_seed(config.seed)
        self.G = init_weights(ResnetGenerator(preset.generator), self.random).to(device)
        self.G.align_subpixels()
        self.D = init_weights(make_discriminator(preset.discriminator), self.random).to(device)
        self.nce = losses.PatchNCE(self.G.feature_channels, num_patches=config.num_patches)
        self.nce = init_weights(self.nce, self.random).to(device)
        self.ema = Ema(self.G, config.ema_half_life_images)
        self.early: ResnetGenerator | None = None
        betas = (0.5, 0.999)
        self.optimizer_G = torch.optim.Adam(
            [*self.G.parameters(), *self.nce.parameters()], config.learning_rate, betas
        )
        self.optimizer_D = torch.optim.Adam(self.D.parameters(), config.learning_rate, betas)
        wanted = choose_precision() if config.precision == "auto" else config.precision
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=wanted == "bf16")
        self.is_tuned = False
        self.num_steps = 0
        self.num_images = 0
        self.nonfinite_steps = 0

    def start_from(self, generator: ResnetGenerator) -> None:
        """Go on from the weights of `generator`, which must be of the preset's architecture."""
        if generator.config != self.G.config:
            raise TrainingError(
                f"cannot start from a generator of {generator.config}: "
                f"preset {self.config.preset!r} has {self.G.config}"
            )
        self.G.load_state_dict(generator.state_dict())
        self.ema = Ema(self.G, self.config.ema_half_life_images)
        self.is_tuned = True

    def step(self, progress: float) -> dict[str, float]:
        """One update of D and of G at `progress` of the budget; the weighted losses as floats.

        During warm-up a new generator learns to copy the photo, while D rests; a generator that came
        from a style pack rests itself, while D learns what it has to judge.
        """
        config = self.config
        for optimizer in (self.optimizer_G, self.optimizer_D):
            for group in optimizer.param_groups:
                group["lr"] = config.rate(progress)
        x = self._crops(self.photos, config.photo_zoom)
        y = self._crops(self.paintings, config.painting_zoom)
        with self.autocast:
            features, fake = self.G.encode_and_generate(x)
        fake = fake.float()
        pays_identity = self.num_steps % config.identity_every == 0
        self.num_steps += 1
        self.num_images += config.batch_size
        warm = progress < config.warm_up
        parts = {}
        if self.is_tuned or not warm:
            parts["D"] = self._step_discriminator(y, fake.detach())
        if self.is_tuned and warm:
            return parts
        terms = {"copy": F.l1_loss(fake, x)} if warm else self._style_terms(x, y, features, fake)
        if pays_identity:
            terms["idt"] = config.lambda_identity * self._identity_loss(y)
        self._update(self.optimizer_G, torch.stack(list(terms.values())).sum())
        self.ema.update(self.G, config.batch_size)
        return parts | {name: term.item() for name, term in terms.items()}

    def _crops(self, bank: ImageBank, zoom: tuple[float, float]) -> Tensor:
        # Contiguous, not channels last as in inference: on a CPU the backward pass of the group norm
        # is 20 times slower in channels last (34 against 1.4 ms for [16, 32, 64, 64] in bf16).
        return bank.crops(self.config.batch_size, self.config.crop_px, zoom, self.random)

    def _augmented(self, images: Tensor) -> Tensor:
        return augment(images, self.random, self.config.augment_probability)

    def _step_discriminator(self, y: Tensor, fake: Tensor) -> float:
        self.D.requires_grad_(requires_grad=True)
        with self.autocast:
            logits = self.D(torch.cat([self._augmented(y), self._augmented(fake)]))
        real_logits, fake_logits = logits.float().chunk(2)
        loss = losses.discriminator_loss(real_logits, fake_logits)
        self._update(self.optimizer_D, loss)
        return loss.item()

    def _style_terms(
        self, x: Tensor, y: Tensor, features: list[Tensor], fake: Tensor
    ) -> dict[str, Tensor]:
        config = self.config
        self.D.requires_grad_(requires_grad=False)
        with self.autocast:
            logits = self.D(self._augmented(fake))
            queries = self.G.encode(fake)
        strokes = losses.patch_distribution_loss(fake, y, self.random)
        return {
            "G": config.lambda_gan * losses.generator_loss(logits.float()),
            "nce": config.lambda_nce * self.nce(queries, features, self.random),
            "strokes": config.lambda_strokes * strokes,
            "palette": config.lambda_palette * losses.palette_loss(fake, y, self.random),
            "colour": config.lambda_colour * losses.colour_loss(x, fake),
            "flat": config.lambda_flat * losses.flat_loss(x, fake, flat_below=config.flat_below),
        }

    def _identity_loss(self, y: Tensor) -> Tensor:
        with self.autocast:
            idt = self.G(y)
        return F.l1_loss(idt.float(), y)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            self._count_nonfinite()
            return
        self.nonfinite_steps = 0
        loss.backward()
        optimizer.step()

    def _count_nonfinite(self) -> None:
        self.nonfinite_steps += 1
        if self.nonfinite_steps >= _MAX_NONFINITE_STEPS:
            raise TrainingError(
                f"training diverged: the loss was not finite {self.nonfinite_steps} times in a row "
                f"after {self.num_images} images; try a lower learning rate "
                f"(now {self.config.learning_rate})"
            )


def init_weights(module: ModuleT, generator: torch.Generator) -> ModuleT:
    """Weights from normal(0, 0.02) as in CycleGAN, biases zero, all drawn from `generator`."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, 0.0, 0.02, generator=generator)
        else:
            nn.init.zeros_(parameter)
    for name, buffer in module.named_buffers():
        # Spectral norm starts its power iteration from vectors of torch's global generator.
        if name.endswith(("._u", "._v")):
            buffer.copy_(F.normalize(torch.randn(buffer.shape, generator=generator), dim=0))
    return module


def fit(
    trainer: Trainer,
    budget: Budget,
    on_event: Callable[[TrainEvent], None] | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> ResnetGenerator:
    """Train until `budget` is spent; the averaged generator. `on_event` hears of every step."""
    for event in run_steps(trainer, budget, clock):
        if on_event is not None:
            on_event(event)
    return trainer.ema.model  # pyrefly: ignore[bad-return]


def run_steps(trainer: Trainer, budget: Budget, clock: Callable[[], float]) -> Iterator[TrainEvent]:
    """Yield after each step; takes the early checkpoint on the way."""
    started, step, progress = clock(), 0, 0.0
    while progress < 1:
        parts = trainer.step(progress)
        step += 1
        elapsed_s = clock() - started
        progress = budget.progress(elapsed_s=elapsed_s, num_images=trainer.num_images)
        if trainer.early is None and progress >= trainer.config.early_at:
            trainer.early = _frozen_copy(trainer.ema.model)
        yield TrainEvent(
            step=step,
            num_images=trainer.num_images,
            progress=progress,
            elapsed_s=elapsed_s,
            losses=parts,
        )


def _frozen_copy(model: nn.Module) -> ResnetGenerator:
    copied = ResnetGenerator(model.config)  # pyrefly: ignore[bad-argument-type]
    copied.load_state_dict(model.state_dict())
    return copied.eval()
