"""One rank's whole training: data, networks, steps, checkpoints, and on rank 0 the pack."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganst.errors import CheckpointError, TrainingError
from ganst.models.presets import PRESETS
from ganst.models.stylepack import StylePack, load_generator, load_stylepack, save_stylepack
from ganst.training import state
from ganst.training.bank import ImageBank
from ganst.training.guards import Intervention
from ganst.training.loop import Trainer, TrainEvent, run_steps
from ganst.training.ranks import ALONE, Ranks
from ganst.training.watch import HeldBack, Watch, stylize_all
from pipelines.training import pictures
from pipelines.training.card import about
from pipelines.training.drawing import draw
from pipelines.training.folder import TrainingFolder
from pipelines.training.job import TrainJob, identity
from pipelines.training.tensorboard import EventWriter

_log = logging.getLogger(__name__)
_POINT_EVERY = 10  # steps between two points of TensorBoard's curves
_LAST_THINGS_S = 1.0  # saving the pack, drawing
_EVALUATION_COST = 3.0  # features and distances, in the time that the outputs take


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Adam's averages decay into denormal numbers, on which a CPU is a hundred times slower.

    The mode is the whole thread's, other people's arithmetic included: it ends with the training.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that is ready for its next step."""

    job: TrainJob
    trainer: Trainer
    folder: TrainingFolder
    watch: Watch
    identity: dict[str, Any]
    started_from: StylePack | None

    @property
    def is_first(self) -> bool:
        """True on the rank that writes."""
        return self.trainer.bench.ranks.rank == 0

    @_without_denormals()
    def run(self, tell: Callable[[TrainEvent], None], is_stopped: Callable[[], bool]) -> bool:
        """Train to the end and save the pack: True. Stopped before, with a checkpoint: False.

        Raises:
            TrainingError: Training diverged, or the disk is full when the pack is saved.

        """
        # Ranks that were ready at different times must agree on when a checkpoint is due.
        (saved_s,) = self.trainer.bench.ranks.agree(self.trainer.spent_s)
        with self._curves() as curves:
            return self._run(tell, is_stopped, saved_s, curves)

    def _run(
        self,
        tell: Callable[[TrainEvent], None],
        is_stopped: Callable[[], bool],
        saved_s: float,
        curves: EventWriter | None,
    ) -> bool:
        for event in run_steps(
            self.trainer,
            self.job.budget,
            time.monotonic,
            reserve_s=self._measure_reserve(),
            is_stopped=is_stopped,
            rescue=lambda error: self._tell_intervention(self.watch.guards.rescue(error)),
        ):
            tell(event)
            is_evaluated = self._look(event)
            if curves is not None and (event.step % _POINT_EVERY == 0 or is_evaluated):
                self._draw_point(curves, event, is_evaluated=is_evaluated)
            if event.elapsed_s - saved_s >= self.job.checkpoint_every_s and event.progress < 1:
                self._save_checkpoint()
                saved_s = event.elapsed_s
        if self.trainer.progress < 1:
            self.save_checkpoint()
            return False
        if self.is_first:
            self._save_pack()
        return True

    def _curves(self) -> AbstractContextManager[EventWriter | None]:
        place = self.job.tensorboard
        return EventWriter(place) if place is not None and self.is_first else nullcontext()

    def _draw_point(self, curves: EventWriter, event: TrainEvent, *, is_evaluated: bool) -> None:
        try:
            curves.write(event.step, self._point(event, is_evaluated=is_evaluated))
        except OSError as error:
            _log.warning("no curves in %s: %s", self.job.tensorboard, error)

    def _point(self, event: TrainEvent, *, is_evaluated: bool) -> dict[str, float]:
        """What TensorBoard is told of a step."""
        config, bench = self.trainer.config, self.trainer.bench
        point = {f"loss/{name}": value for name, value in event.losses.items()}
        point |= {
            "images_per_s": event.images_per_s,
            "data_wait": event.data_wait,
            "learning_rate": config.rate(event.progress) * bench.rate_factor,
        }
        if is_evaluated:
            found = self.watch.facts()["evaluations"][-1]
            point |= {f"evaluation/{name}": found[name] for name in ("style", "gain", "content")}
        return point

    def save_checkpoint(self) -> None:
        """Write the whole state, on rank 0; the guards have looked at it.

        Raises:
            CheckpointError: It cannot be written; the last good one stays.

        """
        self._tell_intervention(self.watch.guards.check())
        if self.is_first:
            captured = state.capture(self.trainer)
            captured.facts["watch"] = self.watch.facts()
            self.folder.save(captured, self.identity)
            _log.info("checkpoint after %d images", self.trainer.num_images)

    def _save_checkpoint(self) -> None:
        """A full disk does not end hours of work: the next checkpoint may succeed."""
        try:
            self.save_checkpoint()
        except CheckpointError as error:
            _log.warning("%s; training goes on, the last good checkpoint stays", error)

    def _look(self, event: TrainEvent) -> bool:
        """True where there is a new evaluation."""
        intervention, is_evaluated = self.watch.look(event)
        self._tell_intervention(intervention)
        if is_evaluated and self.is_first:
            self._tell_evaluation(self.watch.facts()["evaluations"][-1])
            try:
                draw(self.folder, self.watch, self.trainer)
            except OSError as error:
                _log.warning("no pictures of the training in %s: %s", self.folder.root, error)
        return is_evaluated

    def _tell_intervention(self, done: Intervention | None) -> None:
        if done is not None and self.is_first:
            _log.warning("step %d: %s; weights rolled back, %s", done.step, done.found, done.done)

    def _tell_evaluation(self, found: dict[str, float]) -> None:
        _log.info(
            "%.0f %%: kernel distance %.3f ± %.3f (photos %.3f), style gain %.2f, content %.3f",
            100 * found["progress"],
            found["style"],
            found["style_margin"],
            self.watch.evaluator.unstyled if self.watch.evaluator else 0.0,
            found["gain"],
            found["content"],
        )

    def _measure_reserve(self) -> float:
        """Seconds that the last evaluation and the pack will take, at most a fifth of the budget."""
        began = time.monotonic()
        stylize_all(self.trainer, self.watch.held.photos)
        seconds = _LAST_THINGS_S + _EVALUATION_COST * (time.monotonic() - began)
        (agreed_s,) = self.trainer.bench.ranks.agree(seconds)
        return min(agreed_s, 0.2 * 60 * (self.job.budget.minutes or 0))

    def _save_pack(self) -> None:
        trainer = self.trainer
        checkpoints = {"final": trainer.average}
        others = {"early": trainer.early, "best": trainer.best}
        checkpoints |= {
            name: model
            for name, model in others.items()
            if model is not None and not _is_same(model, trainer.average)
        }
        try:
            save_stylepack(
                self.job.out,
                checkpoints,
                about(self.trainer, self.job, self.watch.facts(), self.started_from),
            )
        except OSError as error:
            raise TrainingError(
                f"the pack cannot be saved in {self.job.out}: {error.strerror or error}; "
                "make room and go on with --resume"
            ) from error
        self.folder.checkpoint.unlink(missing_ok=True)
        _log.info("saved %s after %d images", self.job.out, trainer.num_images)


def open_training(job: TrainJob, ranks: Ranks = ALONE) -> Training:
    """Read the pictures, make the networks, and go on from the checkpoint if the job says so.

    Raises:
        TrainingError: Pictures that cannot be trained on.
        CheckpointError: A checkpoint that cannot be used, or one that would be lost.

    """
    began = time.monotonic()
    folder = TrainingFolder.beside(job.out)
    check_beginning(job)
    device = _prepare_torch(job, ranks)
    photos = pictures.read_pictures(job.photos, smallest_side_px=job.config.crop_px)
    paintings = pictures.read_pictures(job.paintings, smallest_side_px=job.config.crop_px)
    pictures.check_apart(photos, paintings)
    config = pictures.fit_to_data(job.config, paintings)
    if PRESETS[config.preset].generator.exposure == "kept":
        photos = pictures.all_in_good_light(photos)
    banks = [
        ImageBank.of([picture.pixels for picture in part], device, config.largest_side_px)
        for part in pictures.hold_back(photos, paintings)
    ]
    trainer = Trainer(config, banks[0], banks[1], device, ranks)
    started = None if job.start is None else load_stylepack(job.start)
    if started is not None:
        trainer.start_from(load_generator(started))
    if job.compiles_on(device.type):
        trainer.compile()
    digests = {
        "photos": pictures.digest(photos),
        "paintings": pictures.digest(paintings),
        "start": started.digest if started else None,
    }
    training = Training(
        job=job,
        trainer=trainer,
        folder=folder,
        watch=Watch(trainer, HeldBack.of(banks[2], banks[3], config.crop_px)),
        identity=identity(job, config, digests),
        started_from=started,
    )
    _begin(training)
    trainer.spent_s += time.monotonic() - began
    return training


def check_beginning(job: TrainJob) -> None:
    """Refuse to lose an unfinished training, and to go on with none.

    Raises:
        CheckpointError: With what to do.

    """
    folder = TrainingFolder.beside(job.out)
    if job.begin == "new" and folder.has_checkpoint():
        raise CheckpointError(
            f"{job.style} has an unfinished training in {folder.root}: "
            "go on with --resume, or begin anew with --replace"
        )
    if job.begin == "resume" and not folder.has_checkpoint():
        raise CheckpointError(
            f"{job.style} has no unfinished training to resume: {folder.checkpoint} is missing"
        )


def _begin(training: Training) -> None:
    if training.job.begin == "resume":
        saved = training.folder.load(training.identity)
        state.restore(training.trainer, saved)
        training.watch.load(saved.facts["watch"])
        _log.info("going on after %d images", training.trainer.num_images)
    elif training.is_first:
        training.folder.clear()


def _prepare_torch(job: TrainJob, ranks: Ranks) -> torch.device:
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", ranks.rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    # Crops of one size; what stays in fp32 (patches, embeddings) may use TF32 with its 10 bits.
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    return device


def _is_same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
