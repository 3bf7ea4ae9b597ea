"""What looks at a training while it runs: guards every few steps, evaluations ten times."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganst.evaluation import (
    content_distance,
    feature_scale,
    image_features,
    kernel_distance,
    style_gain,
)
from ganst.pixels import to_pixels
from ganst.training.bank import ImageBank
from ganst.training.guards import PROBE_EVERY, Guards, Intervention
from ganst.training.loop import Trainer, TrainEvent, frozen_copy

NUM_EVALUATIONS = 10
MIN_STEPS = 50  # between two evaluations: a short training is not to be spent on looking at it
_NUM_CROPS = 32  # photos, and as many paintings
_NUM_PROBED = 8
_SMALLEST_PX = 64  # of the images that can be evaluated
_CHUNK = 8
_SEED = 20_240_811
_CONTENT_SLACK = 1.25  # the best checkpoint's content distance, in the median


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Fixed crops of pictures, best of those that training never sees: floats in [-1, 1]."""

    photos: Tensor  # [32, 3, S, S]
    paintings: Tensor

    @classmethod
    def of(cls, photos: ImageBank, paintings: ImageBank, crop_px: int) -> "HeldBack":
        """Cut crops as large as those of the training, at the scale of the pictures."""
        rng = torch.Generator().manual_seed(_SEED)
        size = max(crop_px, _SMALLEST_PX)
        cut = [
            bank.cut(bank.draw(_NUM_CROPS, size, (1.0, 1.0), rng), size)
            for bank in (photos, paintings)
        ]
        return cls(photos=cut[0], paintings=cut[1])


class Evaluator:
    """Kernel distance, content distance and style gain on held-back pictures; keeps the best average."""

    def __init__(self, trainer: Trainer, held: HeldBack) -> None:
        self._trainer, self._held = trainer, held
        self._photos = list(to_pixels(held.photos.cpu()))
        photos = image_features(self._photos)
        self._paintings = image_features(list(to_pixels(held.paintings.cpu())))
        self._scale = feature_scale(photos, self._paintings)
        self.unstyled = kernel_distance(photos, self._paintings, self._scale).value
        self.evaluations: list[dict[str, float]] = []

    def is_due(self, event: TrainEvent) -> bool:
        """True for the first step behind each tenth of the budget, in a short training for few of them."""
        last = self.evaluations[-1] if self.evaluations else {"progress": 0.0, "step": 0}
        tenths = int(event.progress * NUM_EVALUATIONS) - int(last["progress"] * NUM_EVALUATIONS)
        return tenths > 0 and (event.step - last["step"] >= MIN_STEPS or event.progress >= 1)

    def evaluate(self, event: TrainEvent) -> None:
        """Measure the averaged generator; keep it if it is the best so far."""
        outputs = stylize_all(self._trainer, self._held.photos)
        style = kernel_distance(image_features(outputs), self._paintings, self._scale)
        pairs = zip(self._photos, outputs, strict=True)
        evaluation = {
            "progress": event.progress,
            "step": event.step,
            "num_images": event.num_images,
            "style": style.value,
            "style_margin": style.margin,
            "gain": style_gain(self.unstyled, style.value),
            "content": sum(content_distance(*pair) for pair in pairs) / len(outputs),
        }
        self.evaluations.append(evaluation)
        if best_of(self.evaluations) is evaluation:
            self._trainer.best = frozen_copy(self._trainer.average)


class Watch:
    """Guards and, on the first rank, evaluations; what they found is part of a checkpoint."""

    def __init__(self, trainer: Trainer, held: HeldBack) -> None:
        self.held = held
        self.guards = Guards(trainer, held.photos[:_NUM_PROBED])
        self.evaluator = Evaluator(trainer, held) if trainer.bench.ranks.rank == 0 else None

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must hold, as JSON values."""
        evaluations = self.evaluator.evaluations if self.evaluator else []
        return {"guards": self.guards.facts(), "evaluations": evaluations}

    def load(self, facts: Mapping[str, Any]) -> None:
        """Undo `facts`; call it when the trainer has its state again."""
        self.guards.load(facts["guards"])
        if self.evaluator:
            self.evaluator.evaluations = list(facts["evaluations"])

    def look(self, event: TrainEvent) -> tuple[Intervention | None, bool]:
        """After a step: what a guard did, and whether there is a new evaluation."""
        done = self.guards.check() if event.step % PROBE_EVERY == 0 else None
        if self.evaluator is None or not self.evaluator.is_due(event):
            return done, False
        self.evaluator.evaluate(event)
        return done, True


def best_of(evaluations: Sequence[dict[str, float]]) -> dict[str, float]:
    """The nearest to the paintings of those that keep the content about as well as most."""
    styled = [found for found in evaluations if found["gain"] > 0] or list(evaluations)
    usual = statistics.median(found["content"] for found in styled)
    kept = [found for found in styled if found["content"] <= _CONTENT_SLACK * usual]
    return min(kept, key=lambda found: found["style"])


@torch.no_grad()
def stylize_all(trainer: Trainer, photos: Tensor) -> list[Tensor]:
    """Floats `[N, 3, S, S]` in [-1, 1] -> N outputs of the averaged generator, uint8 `[3, S, S]`."""
    outputs: list[Tensor] = []
    for chunk in photos.split(_CHUNK):
        with trainer.bench.autocast:
            fakes = trainer.average(chunk).float()
        outputs += list(to_pixels(fakes.cpu()))
    return outputs
