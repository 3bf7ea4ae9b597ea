"""What a stage tells while it works, and what it says when it is done."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A stage at work: of `total` images missing when this call began, `done` are committed.

    `unit`: what is counted, if not images.
    """

    stage: str
    done: int
    total: int
    rejected: int
    elapsed_s: float
    unit: str = "images"


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """A stage after its last shard, counted from what is committed."""

    stage: str
    total: int  # items of the whole job
    done: int  # committed by this call
    skipped: int  # committed before this call
    rejected: int  # of the whole job
    failed: tuple[str, ...]  # one sentence per failed shard
    seconds: float
    notes: tuple[str, ...] = ()  # what a person should know although nothing failed
    frames: int | None = None  # made by this call, a photo being one; None: as many as items

    @property
    def images(self) -> int:
        """What a speed is counted in: photos, and clips frame by frame where that is known."""
        return self.done if self.frames is None else self.frames
