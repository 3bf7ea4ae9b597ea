"""How much correction a run gets: the worst images first, until a share of the run's work is spent.

A damaged file gets one try before any image gets a second one: mostly the one is enough. Images are
taken in waves. A wave holds no more tries than the rest of the budget covers if all of them are made and
judged in full; what fewer tries leave is for the waves after it. What a wave holds follows from the rows
of the waves before it and from nothing else: not from the clock, nor from the number of workers, nor
from how often the run was interrupted. So the end state is the same however a run gets there.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ganst.correction.ladder import work_of
from ganst.correction.strategies import MEGAPIXEL, OF_FP32, REFUSING, Rerun, RerunAsBefore
from pipelines.candidates import FlaggedImage, Row

CORRECTION_SHARE = 0.25  # of the work of stylizing the run
# Work is counted in megapixels through the network in fp32, which is what a try takes.
SMALLEST_BUDGET = 100.0  # a small run tries everything on its few images
WAVE = 32  # images at most, and of a run with many flagged ones a sixteenth of those
_WAVES = 16
FAILURES_IN_A_ROW = 30  # after which a strategy is switched off

_RERUNS = (Rerun.name, RerunAsBefore.name)
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
        """The image with the steps that were not switched off, as many as the rest of the budget covers."""
        steps = list(image.steps[: image.behind])
        left = self.left - _work_again(image)
        for key, strategy in image.steps[image.behind :]:
            work = strategy.work(image.pixels)
            if strategy.name not in self.switched_off and work <= left:
                steps.append((key, strategy))
                left -= work
        return replace(image, steps=tuple(steps) if len(steps) > image.behind else ())


def worst_first(images: Iterable[FlaggedImage]) -> list[FlaggedImage]:
    """What a person found bad, then files that were damaged, then by p-value; no image at all first.

    A damaged file is mended by one run of the network, what the network made so seldom by many.
    """

    def badness(image: FlaggedImage) -> tuple[bool, bool, float, str]:
        p = image.row["p_anomaly"]
        return (not image.forced, not image.damaged, -1.0 if p is None else p, image.row["source"])

    return sorted(images, key=badness)


def first_turns(images: Iterable[FlaggedImage]) -> list[FlaggedImage]:
    """Damaged files, with their first step alone: mostly it is enough.

    What a person refused of one is known already: its ladder goes on where it was.
    """
    return [
        replace(image, steps=image.steps[:1])
        for image in images
        if image.damaged and not image.refused
    ]


def second_turns(images: Iterable[FlaggedImage], attempts: Attempts) -> list[FlaggedImage]:
    """The rest of the work on `images` behind their first turns, which have left their rows."""
    firsts = {turn.row["source"]: turn for turn in first_turns(images)}
    turns = []
    for image in images:
        first = firsts.get(image.row["source"])
        tried = _tries(first, attempts) if first else []
        is_over = first is not None and len(image.steps) == 1
        if not is_over and all(row["decision"] != "accepted" for row in tried):
            turns.append(replace(image, behind=len(tried)))
    return turns


def size_of_wave(num_images: int) -> int:
    """How many images of so many a wave has at most: what keeps failing is seen between waves."""
    return max(WAVE, num_images // _WAVES)


def next_wave(
    images: Sequence[FlaggedImage], left: Allowance, size: int
) -> tuple[int, list[FlaggedImage]]:
    """How many of `images` come next, and those of them on which something is to be tried.

    An image whose ladder the budget would cut short has a wave of its own: those before it may leave
    more than was set aside for them. One whose first try is too dear is passed over.
    """
    wave: list[FlaggedImage] = []
    for place, image in enumerate(images):
        whole = replace(left, left=math.inf).trims(image)
        trimmed = left.trims(image)
        if wave and (len(wave) == size or trimmed.steps != whole.steps):
            return place, wave
        if trimmed.steps:
            wave.append(trimmed)
            left = replace(left, left=left.left - most_work(trimmed))
    return len(images), wave


def most_work(image: FlaggedImage) -> float:
    """What the tries on an image take if all are made and judged in full."""
    tries = image.steps[image.behind :]
    return _work_again(image) + sum(strategy.work(image.pixels) for _, strategy in tries)


def _work_again(image: FlaggedImage) -> float:
    """What the steps of an earlier turn take once more."""
    behind = image.steps[: image.behind]
    return sum(strategy.making(image.pixels) + REFUSING for _, strategy in behind)


def budget(pixels: int, precision: str, share: float = CORRECTION_SHARE) -> float:
    """What corrections may cost of a run with so many pixels of output; nothing with a share of 0."""
    stylizing = OF_FP32[precision] * pixels / MEGAPIXEL
    return max(share * stylizing, SMALLEST_BUDGET) if share else 0.0


def allowance(
    before: Iterable[FlaggedImage], attempts: Attempts, allowed: float = math.inf
) -> Allowance:
    """What the tries on the images `before` leave of the budget `allowed`, in the order of the images."""
    failures: dict[str, int] = defaultdict(int)
    switched_off, spent = set(), 0.0
    for image in before:
        tries = _tries(image, attempts)
        spent += _work_again(image) if tries else 0.0
        for row in tries:
            name, accepted = row["strategy"], row["decision"] == "accepted"
            # What has again the network's first bytes is not judged by copies and decoys.
            in_full = accepted and not (image.damaged and name in _RERUNS)
            spent += work_of(name, row["precision"], image.pixels, accepted=in_full)
            failures[name] = 0 if accepted else failures[name] + 1
            if failures[name] >= FAILURES_IN_A_ROW:
                switched_off.add(name)
    return Allowance(
        switched_off=frozenset(switched_off), spent=spent, left=max(allowed - spent, 0.0)
    )


def _tries(image: FlaggedImage, attempts: Attempts) -> list[Row]:
    wanted = {key for key, _ in image.steps[image.behind :]}
    mine = [row for row in attempts.get(image.row["source"], ()) if row["attempt_id"] in wanted]
    return sorted(mine, key=lambda row: row["attempt_no"])
