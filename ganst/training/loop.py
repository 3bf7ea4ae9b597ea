"""One training run: photos and paintings in, an averaged generator out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.training.bank import ImageBank
from ganst.training.config import Budget, TrainConfig
from ganst.training.ema import Ema
from ganst.training.objectives.choice import make_objective
from ganst.training.ranks import ALONE, Ranks
from ganst.training.workbench import NotFiniteError, Workbench

READ_EVERY = 10  # steps between two looks at the losses on a GPU: each waits for what is queued


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEvent:
    """Where training stands after a step; a training that was resumed counts from its first start."""

    step: int
    num_images: int
    progress: float  # of the budget, 0..1
    elapsed_s: float
    losses: dict[str, float]  # of this step; on a GPU of the last one in ten
    data_wait: float = 0.0  # share of this process's time that went into crops, 0..1

    @property
    def remaining_s(self) -> float:
        """Estimated seconds to the end of the budget."""
        return self.elapsed_s * (1 - self.progress) / max(self.progress, 1e-9)

    @property
    def images_per_s(self) -> float:
        """Mean rate so far."""
        return self.num_images / max(self.elapsed_s, 1e-9)


class Trainer:
    """An objective, its data, the average of its generator, and what of the budget is spent."""

    def __init__(
        self,
        config: TrainConfig,
        photos: ImageBank,
        paintings: ImageBank,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config, self.photos, self.paintings, self.device = config, photos, paintings, device
        self.random = torch.Generator().manual_seed(config.seed)
        self.bench = Workbench(config, device, self.random, ranks)
        self.objective = make_objective(PRESETS[config.preset], self.bench)
        self.ema = Ema(self.G, config.ema_half_life_images)
        self.early: ResnetGenerator | None = None  # the average at `early_at` of the budget
        self.best: ResnetGenerator | None = None  # the average that an evaluation liked best
        self.num_steps = 0
        self.num_images = 0
        self.spent_s = 0.0
        self.progress = 0.0  # of the budget
        self.data_s = 0.0  # in this process
        self.read_every = 1 if device.type == "cpu" else READ_EVERY
        self._losses: dict[str, float] = {}
        self._layout = torch.contiguous_format

    @property
    def G(self) -> ResnetGenerator:  # noqa: N802
        """The generator from photos to paintings."""
        return self.objective.G

    @property
    def average(self) -> ResnetGenerator:
        """The averaged generator: what is shipped."""
        assert isinstance(self.ema.model, ResnetGenerator)
        return self.ema.model

    def start_from(self, generator: ResnetGenerator) -> None:
        """Go on from the weights of `generator`; one of another architecture is imitated at first.

        Raises:
            TrainingError: Another architecture, and an objective that imitates nobody.

        """
        if replace(generator.config, exposure=self.G.config.exposure) != self.G.config:
            self.objective.learn_from(generator)
            return
        self.G.load_state_dict(generator.state_dict())
        self.ema = Ema(self.G, self.config.ema_half_life_images)
        self.bench.is_tuned = True

    def compile(self, backend: str = "inductor") -> None:
        """Fuse what lies between the convolutions with `torch.compile`; weights and their names stay.

        Call it after `start_from`. On a GPU images are channels last from now on: convolutions
        prefer it, and the fused norms, unlike torch's own, do not mind.
        """
        for network in self.objective.networks.values():
            network.compile(backend=backend)
            if isinstance(network, ResnetGenerator):
                for name in ("encode", "encode_and_generate"):
                    setattr(network, name, torch.compile(getattr(network, name), backend=backend))
        self._layout = torch.channels_last if self.device.type == "cuda" else self._layout

    def step(self, progress: float) -> dict[str, float]:
        """One update of all networks at `progress` of the budget; the weighted losses as floats.

        On a GPU they are those of every tenth step: to read them is to wait for all that is queued.

        Raises:
            NotFiniteError: The losses have not been finite for many steps.

        """
        rate = self.config.rate(progress) * self.bench.rate_factor
        for optimizer in self.objective.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate
        began = time.perf_counter()
        x = self.bench.graded(self._crops(self.photos, self.config.photo_zoom))
        y = self._crops(self.paintings, self.config.painting_zoom)
        self.data_s += time.perf_counter() - began
        step = self.num_steps
        self.num_steps += 1
        self.num_images += self.bench.batch_size
        told = self.objective.step(x, y, step=step, progress=progress)
        self.bench.end_step()
        self.ema.update(self.G, self.bench.batch_size)
        self.average.even_subpixels()
        if step % self.read_every == 0:
            self.bench.check_finite()
            values = torch.stack(list(told.values())).tolist()
            self._losses = dict(zip(told, values, strict=True))
        return self._losses

    def _crops(self, bank: ImageBank, zoom: tuple[float, float]) -> Tensor:
        """Images of this rank; all ranks draw the whole batch alike."""
        # Contiguous, not channels last as in inference: on a CPU the backward pass of the group norm
        # is 20 times slower in channels last (34 against 1.4 ms for [16, 32, 64, 64] in bf16).
        windows = bank.draw(self.bench.batch_size, self.config.crop_px, zoom, self.random)
        crops = bank.cut(self.bench.ranks.share(windows), self.config.crop_px)
        return crops.contiguous(memory_format=self._layout)


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
    return trainer.average


def run_steps(
    trainer: Trainer,
    budget: Budget,
    clock: Callable[[], float],
    *,
    reserve_s: float = 0.0,
    is_stopped: Callable[[], bool] = lambda: False,
    rescue: Callable[[NotFiniteError], object] | None = None,
) -> Iterator[TrainEvent]:
    """Yield after each step until the budget is spent; takes the early checkpoint on the way.

    Args:
        trainer: What goes on from where it stands.
        budget: Minutes are counted by `clock`, across all processes that worked on this training.
        clock: Seconds; only differences count.
        reserve_s: Seconds of a budget of minutes that are kept for what comes after the last step.
        is_stopped: Asked after every step: True ends the run there.
        rescue: Called when training diverged, to bring the trainer back to a good state.

    """
    zero = clock() - trainer.spent_s
    began_at, began_s = time.perf_counter(), trainer.data_s
    ranks = trainer.bench.ranks
    while trainer.progress < 1:
        losses = _rescued_step(trainer, rescue)
        elapsed_s, stop = ranks.agree(clock() - zero, is_stopped())
        trainer.spent_s = elapsed_s
        trainer.progress = budget.progress(
            elapsed_s=elapsed_s, num_images=trainer.num_images, reserve_s=reserve_s
        )
        if trainer.early is None and trainer.progress >= trainer.config.early_at:
            trainer.early = frozen_copy(trainer.average)
        waited = (trainer.data_s - began_s) / max(time.perf_counter() - began_at, 1e-9)
        yield TrainEvent(
            step=trainer.num_steps,
            num_images=trainer.num_images,
            progress=trainer.progress,
            elapsed_s=elapsed_s,
            losses=losses,
            data_wait=min(waited, 1.0),
        )
        if stop:
            return


def _rescued_step(
    trainer: Trainer, rescue: Callable[[NotFiniteError], object] | None
) -> dict[str, float]:
    try:
        return trainer.step(trainer.progress)
    except NotFiniteError as error:
        if rescue is None:
            raise
        rescue(error)
        return {}


def frozen_copy(model: nn.Module) -> ResnetGenerator:
    """The generator as it is now, for inference."""
    assert isinstance(model, ResnetGenerator)
    copied = ResnetGenerator(model.config).to(next(model.parameters()).device)
    copied.load_state_dict(model.state_dict())
    return copied.eval().requires_grad_(requires_grad=False)
