"""How much correction a run gets: the worst images first, until a share of the run's work is spent.

Images are taken in waves of a fixed size. What a wave may still do follows from the rows of the waves
before it and from nothing else: not from the clock, nor from the number of workers, nor from how
often the run was interrupted. So the end state is the same however a run gets there.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ganst.correction.ladder import work_of
from ganst.correction.strategies import MEGAPIXEL, Restyling
from pipelines.candidates import FlaggedImage, Row

CORRECTION_SHARE = 0.25  # of the work of stylizing the run
# Work is counted in megapixels through the network in fp32, which is what a try takes.
SMALLEST_BUDGET = 100.0  # a small run tries everything on its few images
_OF_FP32 = {"fp32": 1.0, "bf16": 0.5}  # what stylizing in that precision takes
WAVE = 32  # images, and of a run with few flagged ones an eighth of those
_SMALLEST_WAVE = 4
FAILURES_IN_A_ROW = 30  # after which a strategy is switched off

Attempts = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left at a point of the order: strategies that are not to be tried, and whether to go on.

    `spent`, and `left` of the budget: megapixels through the network.
    """

    switched_off: frozenset[str]
    spent: float
    left: float = math.inf

    def trims(self, image: FlaggedImage) -> FlaggedImage:
        """The image with the steps that are still to be tried, and that the rest of the budget covers."""
        steps = tuple(step for step in image.steps if self._allows(step[1], image.pixels))
        return replace(image, steps=steps)

    def _allows(self, strategy: Restyling, pixels: int) -> bool:
        return strategy.name not in self.switched_off and strategy.work(pixels) <= self.left


def worst_first(images: Iterable[FlaggedImage]) -> list[FlaggedImage]:
    """What a person found bad, then files that were damaged, then by p-value; no image at all first.

    A damaged file is mended by one run of the network, what the network made so seldom by many.
    """

    def badness(image: FlaggedImage) -> tuple[bool, bool, float, str]:
        p = image.row["p_anomaly"]
        return (not image.forced, not image.damaged, -1.0 if p is None else p, image.row["source"])

    return sorted(images, key=badness)


def in_waves(images: Sequence[FlaggedImage]) -> list[Sequence[FlaggedImage]]:
    """Slices of a size that the number of images decides: the budget is looked at between them."""
    size = min(WAVE, max(len(images) // 8, _SMALLEST_WAVE))
    return [images[start : start + size] for start in range(0, len(images), size)]


def budget(pixels: int, precision: str, share: float = CORRECTION_SHARE) -> float:
    """What corrections may cost of a run with so many pixels of output; nothing with a share of 0."""
    stylizing = _OF_FP32[precision] * pixels / MEGAPIXEL
    return max(share * stylizing, SMALLEST_BUDGET) if share else 0.0


def allowance(
    before: Iterable[FlaggedImage], attempts: Attempts, allowed: float = math.inf
) -> Allowance:
    """What the tries on the images `before` leave of the budget `allowed`, in the order of the images."""
    failures: dict[str, int] = defaultdict(int)
    switched_off, spent = set(), 0.0
    for image in before:
        for row in _tries(image, attempts):
            name = row["strategy"]
            spent += work_of(name, image.pixels)
            failures[name] = 0 if row["decision"] == "accepted" else failures[name] + 1
            if failures[name] >= FAILURES_IN_A_ROW:
                switched_off.add(name)
    return Allowance(
        switched_off=frozenset(switched_off), spent=spent, left=max(allowed - spent, 0.0)
    )


def _tries(image: FlaggedImage, attempts: Attempts) -> list[Row]:
    wanted = {key for key, _ in image.steps}
    mine = [row for row in attempts.get(image.row["source"], ()) if row["attempt_id"] in wanted]
    return sorted(mine, key=lambda row: row["attempt_no"])
