"""What a training is told, and what makes it the same training when it is gone on with."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganst.models.presets import PRESETS
from ganst.training.config import Budget, TrainConfig
from ganst.training.objectives.dagan import check_crop

CHECKPOINT_EVERY_S = 120.0
Begin = Literal["new", "resume", "replace"]
Compile = Literal["auto", "on", "off"]
_LONG_MINUTES, _LONG_IMAGES = 5.0, 100_000  # compiling takes about a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """What to train on, where the pack goes, and for how long."""

    style: str
    photos: Path
    paintings: Path  # a folder, or one picture
    out: Path  # folder of the pack; its name should be the style's
    budget: Budget
    config: TrainConfig = field(default_factory=TrainConfig)
    start: Path | None = None  # style pack whose generator is trained further
    licence: str = "unknown"  # of photos and paintings, for the card
    threads: int | None = None  # CPU threads of each rank; None = as torch chooses
    ranks: int = 1  # processes that share every batch, each with `config.batch_size` images
    begin: Begin = "new"  # what to do about an unfinished training of this style
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    compile: Compile = "auto"  # networks: on a GPU where the budget is long enough
    tensorboard: Path | None = None  # folder that gets an event file

    def __post_init__(self) -> None:
        if not self.style.replace("-", "").replace("_", "").isalnum():
            raise ValueError(
                f"a style's name is made of letters, digits, '-' and '_': got {self.style!r}"
            )
        if self.config.preset not in PRESETS:
            raise ValueError(f"no preset {self.config.preset!r}: there are {', '.join(PRESETS)}")
        check_crop(PRESETS[self.config.preset], self.config.crop_px)
        if self.out.name != self.style:
            raise ValueError(f"the folder of style {self.style!r} must have its name: {self.out}")
        if self.ranks < 1:
            raise ValueError(f"ranks must be at least 1, got {self.ranks}")

    def compiles_on(self, device_type: str) -> bool:
        """Whether the networks are compiled on `cuda` or `cpu`."""
        if self.compile != "auto":
            return self.compile == "on"
        minutes, images = self.budget.minutes or 0, self.budget.images or 0
        return device_type == "cuda" and (minutes >= _LONG_MINUTES or images >= _LONG_IMAGES)


def identity(job: TrainJob, config: TrainConfig, digests: dict[str, str | None]) -> dict[str, Any]:
    """What two processes must have in common to work on one training, as JSON values.

    Not the number of ranks but the images in a step: two ranks with batch 4 go on where one with
    batch 8 stopped.
    """
    facts: dict[str, Any] = dataclasses.asdict(config)
    facts |= {**dataclasses.asdict(job.budget), **digests}
    facts["images_per_step"] = job.ranks * facts.pop("batch_size")
    return json.loads(json.dumps(facts))


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`seed 0 -> 1` for everything that differs."""
    names = sorted(old.keys() | new.keys())
    return [f"{n} {old.get(n)} -> {new.get(n)}" for n in names if old.get(n) != new.get(n)]
