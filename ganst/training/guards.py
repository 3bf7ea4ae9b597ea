"""What goes wrong in a GAN training, how it is seen, and what is done about it.

A guard brings the weights back to the last good state and changes one thing, at most a few times;
what it did is an event that the training's history and the pack's card tell.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.errors import TrainingError
from ganst.training.loop import Trainer
from ganst.training.state import TrainState, capture, restore_weights
from ganst.training.workbench import NotFiniteError, Workbench

MAX_INTERVENTIONS = 4
PROBE_EVERY = 50  # steps
_LIKE_EACH_OTHER = 0.1  # of the photos' own distance to each other
_UNCHANGED = 0.02  # mean absolute difference on [-1, 1]
_STYLE_DUE = 0.4  # share of the budget after which a photo that comes out unchanged is a failure
_GRACE = 0.1  # of the budget, for what was changed to take effect
_MAX_AUGMENT_PROBABILITY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Something a guard did."""

    kind: str  # nonfinite, inversion, collapse, no_style
    step: int
    num_images: int
    progress: float
    found: str  # one clause with the value
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Three numbers of the averaged generator's outputs for fixed photos."""

    light: float  # correlation of the lightness of output and photo: negative is a negative
    variety: float  # distance of the outputs to each other, in that of the photos
    change: float  # mean absolute difference of output and photo, 0..2

    def verdict(self, progress: float) -> tuple[str, str] | None:
        """The kind of failure and its value; None where nothing is wrong."""
        if self.light < 0:
            return "inversion", f"light and dark are swapped (correlation {self.light:.2f})"
        if self.variety < _LIKE_EACH_OTHER:
            return "collapse", f"the outputs are alike ({self.variety:.2f} of the photos' variety)"
        if progress > _STYLE_DUE and self.change < _UNCHANGED:
            return "no_style", f"photos come out unchanged (mean difference {self.change:.3f})"
        return None


class Guards:
    """Watches one trainer on fixed photos, `[N, 3, H, W]` in [-1, 1], N at least 2."""

    def __init__(self, trainer: Trainer, photos: Tensor) -> None:
        self._trainer, self._photos = trainer, photos
        self._good: TrainState = capture(trainer)
        self.interventions: list[Intervention] = []
        # A network that has hardly begun may give anything.
        self._quiet_until = trainer.config.warm_up + _GRACE

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must hold of the guards, as JSON values."""
        return {
            "interventions": [asdict(done) for done in self.interventions],
            "quiet_until": self._quiet_until,
        }

    def load(self, facts: Mapping[str, Any]) -> None:
        """Undo `facts`; the state that the trainer is in counts as good."""
        self.interventions = [Intervention(**done) for done in facts["interventions"]]
        self._quiet_until = facts["quiet_until"]
        self._good = capture(self._trainer)

    def check(self) -> Intervention | None:
        """Look at the outputs: the state is good now, or the last good one comes back."""
        progress = self._trainer.progress
        failure = probe(self._trainer, self._photos).verdict(progress)
        failure = self._agreed(failure)
        if failure is None:
            self._good = capture(self._trainer)
            return None
        if progress < self._quiet_until or len(self.interventions) >= MAX_INTERVENTIONS:
            return None
        return self._intervene(*failure)

    def rescue(self, error: NotFiniteError) -> Intervention:
        """Bring a diverged training back.

        Raises:
            TrainingError: It has diverged too often.

        """
        if len(self.interventions) >= MAX_INTERVENTIONS:
            num_images = self._trainer.num_images
            raise TrainingError(f"{error}, after {num_images} images") from error
        self._trainer.bench.nonfinite_steps = 0
        return self._intervene("nonfinite", "the loss is not finite")

    def _agreed(self, failure: tuple[str, str] | None) -> tuple[str, str] | None:
        """What rank 0 sees: a last bit may differ where ranks are different machines."""
        kinds = (None, "inversion", "collapse", "no_style")
        (index,) = self._trainer.bench.ranks.agree(kinds.index(failure[0] if failure else None))
        kind = kinds[int(index)]
        return None if kind is None else failure or (kind, "seen by rank 0")

    def _intervene(self, kind: str, found: str) -> Intervention:
        trainer = self._trainer
        restore_weights(trainer, self._good)
        done = Intervention(
            kind=kind,
            step=trainer.num_steps,
            num_images=trainer.num_images,
            progress=trainer.progress,
            found=found,
            done=adapt(trainer.bench, kind),
        )
        self.interventions.append(done)
        self._quiet_until = trainer.progress + _GRACE
        return done


def adapt(bench: Workbench, kind: str) -> str:
    """Change what is likely to help against `kind`; says what."""
    if kind == "no_style":
        bench.style_factor *= 1.5
        bench.content_factor *= 0.5
        return f"style losses x {bench.style_factor:g}, content losses x {bench.content_factor:g}"
    bench.rate_factor *= 0.5
    done = f"learning rate x {bench.rate_factor:g}"
    if kind == "inversion":
        bench.content_factor *= 2
        return f"{done}, content losses x {bench.content_factor:g}"
    if kind == "collapse":
        raised = min(bench.augment_probability + 0.2, _MAX_AUGMENT_PROBABILITY)
        bench.augment_probability = max(bench.augment_probability, raised)
        return f"{done}, augmentation {bench.augment_probability:g}"
    return done


@torch.no_grad()
def probe(trainer: Trainer, photos: Tensor) -> Probe:
    """Measure the averaged generator on `photos`, `[N, 3, H, W]` in [-1, 1]."""
    with trainer.bench.autocast:
        fakes = trainer.average(photos).float()
    return Probe(
        light=_correlation(photos.mean(dim=1), fakes.mean(dim=1)),
        variety=_variety(fakes) / max(_variety(photos), 1e-6),
        change=float((fakes - photos).abs().mean()),
    )


def _correlation(a: Tensor, b: Tensor) -> float:
    """Mean over images of Pearson's r, `[N, H, W]` each; 0 for a flat image."""
    a, b = (F.normalize((x - x.mean(dim=(1, 2), keepdim=True)).flatten(1), dim=1) for x in (a, b))
    return float((a * b).sum(dim=1).mean())


def _variety(images: Tensor) -> float:
    """Mean absolute distance of each image to the next one, around."""
    return float((images - images.roll(1, dims=0)).abs().mean())
