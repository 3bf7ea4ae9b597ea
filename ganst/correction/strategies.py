"""Ways to make an output again; each deterministic and named in the lineage.

A strategy gets a `Subject` and a `Stylist` and gives a candidate of the photo's size. None of them
sees the scorer: what chooses a candidate must not have made it. `ladder` says which is tried when.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ganst.models.generator import ResnetGenerator


MEGAPIXEL = 1_000_000
# Work is counted in megapixels through the network in fp32, 0.55 s of CPU time each with the preset `fast`.
# Judging takes as long on any image, as its copies have one size; reading and writing are counted in. Most of
# the refused fail early.
JUDGING = 1.2
REFUSING = 0.5
OF_FP32 = {"fp32": 1.0, "bf16": 0.45}  # what the same takes in that precision


class NotApplicableError(ValueError):
    """The strategy has nothing to work on in this image; says what is missing."""


class Stylist(Protocol):
    """The networks of the run's style, on uint8 `[3, H, W]`."""

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        """Stylize with a checkpoint in a precision."""
        ...

    def generator(self, checkpoint: str) -> ResnetGenerator:
        """A copy of that checkpoint in fp32, which the caller may change."""
        ...

    def run(self, generator: ResnetGenerator, image: Tensor) -> Tensor:
        """Stylize with a generator that came from here, in fp32."""
        ...


def _none_good() -> Sequence[tuple[Tensor, Tensor]]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be mended, uint8 `[3, H, W]`.

    `flagged`: the output, None if it was unreadable; `good`: gives photos and unflagged outputs of
    the same run, of any sizes, and reads them only when it is called.
    """

    source: Tensor
    flagged: Tensor | None = None
    good: Callable[[], Sequence[tuple[Tensor, Tensor]]] = field(default=_none_good)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restyling:
    """A strategy that runs the style's network: with which of its checkpoints, in which precision."""

    name: ClassVar[str]
    runs: ClassVar[float]  # of the network, what is done to its output counted in
    checkpoint: str = "final"
    precision: str = "fp32"

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Those that a style must have for this strategy."""
        return (self.checkpoint,)

    @property
    def used_as_loss(self) -> tuple[str, ...]:
        """Families of columns that this strategy optimises; they may not speak for its candidate."""
        return ()

    def making(self, pixels: int) -> float:
        """What a candidate of that size takes, in megapixels through the network in fp32."""
        return self.runs * OF_FP32[self.precision] * pixels / MEGAPIXEL

    def work(self, pixels: int) -> float:
        """What a try on an image of that size takes at most: see `making`."""
        return self.making(pixels) + JUDGING

    def in_precision(self, precision: str) -> Self:
        """The same strategy in the precision that the run was made in, where that makes no difference."""
        return replace(self, precision=precision)

    def stylize(self, image: Tensor, stylist: Stylist) -> Tensor:
        """Run the network on uint8 `[3, H, W]`."""
        return stylist(image, checkpoint=self.checkpoint, precision=self.precision)

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]` of the photo's size.

        Raises:
            NotApplicableError: There is nothing in this image for this strategy.

        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun(Restyling):
    """The same weights once more in full precision: mends what was damaged after the network.

    Seams of tiles too: a large image is cut in strips with the norms of the whole (`ganst.tiling`).
    """

    name: ClassVar[str] = "rerun_fp32"
    runs: ClassVar[float] = 1.0

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run."""
        return self.stylize(subject.source, stylist)

    def in_precision(self, precision: str) -> Self:
        """Itself: more precise is what it is."""
        del precision
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunAsBefore(Rerun):
    """The same weights once more in the run's own precision, for a file that the network never gave.

    Half the time of `Rerun`, and the very picture that was lost.
    """

    name: ClassVar[str] = "rerun"
    precision: str = "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCheckpoint(Restyling):
    """Another checkpoint of the same training: other weights, the same style."""

    name: ClassVar[str] = "other_checkpoint"
    runs: ClassVar[float] = 1.0
    checkpoint: str = "early"

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run."""
        return self.stylize(subject.source, stylist)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestCheckpoint(OtherCheckpoint):
    """The checkpoint that the evaluations of the training liked best, where it is not the last."""

    name: ClassVar[str] = "best_checkpoint"
    checkpoint: str = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAverage(Restyling):
    """Mean of runs on shifted copies: a grid of period 2 or 4 px does not move along and cancels.

    These are the fewest shifts found that cancel rows, columns and checkerboards of both periods: of
    four, one always stays. Not mirrored: that would blur the strokes, and undo the balance.
    """

    name: ClassVar[str] = "shift_average"
    runs: ClassVar[float] = 8.0
    shifts: tuple[tuple[int, int], ...] = tuple(
        (down, right + more) for more in (0, 1) for down, right in ((0, 0), (1, 2), (2, 0), (3, 2))
    )

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run a shift."""
        total = torch.zeros(subject.source.shape, dtype=torch.float32)
        for shift in self.shifts:
            total += self._shifted(subject.source, stylist, shift).float()
        return to_pixels(total / len(self.shifts))

    def _shifted(self, source: Tensor, stylist: Stylist, shift: tuple[int, int]) -> Tensor:
        down, right = shift
        height, width = source.shape[1:]
        padded = F.pad(source[None].float(), (right, 0, down, 0), mode="replicate")[0]
        output = self.stylize(padded.to(torch.uint8), stylist)
        return output[:, down : down + height, right : right + width]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPass(Restyling):
    """Stylize the output once more: where the first pass changed little, two change enough."""

    name: ClassVar[str] = "second_pass"
    runs: ClassVar[float] = 2.0

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """Two runs, one behind the other."""
        return self.stylize(self.stylize(subject.source, stylist), stylist)


def to_pixels(image: Tensor) -> Tensor:
    """Round levels 0..255 of any float type to uint8."""
    return image.round().clamp(0, 255).to(torch.uint8)
