"""Ways to make an output again; each deterministic and named in the lineage.

A strategy gets the source and a `Stylist` and gives a candidate of the same size. None of them sees
the scorer: what chooses a candidate must not have made it. `ladder` says which is tried when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

# Weaker blends pass content columns by giving the photo back: 38 % of them are flagged at 0.8,
# all of them at 0.5 and below.
STRENGTH_FLOOR = 0.8


class Stylist(Protocol):
    """Stylizes uint8 `[3, H, W]` with a checkpoint of the run's style in a precision."""

    def __call__(self, image: Tensor, *, checkpoint: str, precision: str) -> Tensor:
        """Give uint8 `[3, H, W]` of the same size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restyling:
    """A strategy that runs the style's network: with which of its checkpoints, in which precision."""

    name: ClassVar[str]
    cost: ClassVar[float]  # of a try, in stylizations of the image; the judging of it included
    checkpoint: str = "final"
    precision: str = "fp32"

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Those that a style must have for this strategy."""
        return (self.checkpoint,)

    def stylize(self, image: Tensor, stylist: Stylist) -> Tensor:
        """Run the network on uint8 `[3, H, W]`."""
        return stylist(image, checkpoint=self.checkpoint, precision=self.precision)

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate for the photo `source`, both uint8 `[3, H, W]`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun(Restyling):
    """The same weights once more in full precision: mends what was damaged after the network."""

    name: ClassVar[str] = "rerun_fp32"
    cost: ClassVar[float] = 2.0

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run."""
        return self.stylize(source, stylist)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCheckpoint(Restyling):
    """Another checkpoint of the same training: other weights, the same style."""

    name: ClassVar[str] = "other_checkpoint"
    cost: ClassVar[float] = 2.5
    checkpoint: str = "early"

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run."""
        return self.stylize(source, stylist)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAverage(Restyling):
    """Mean of runs on shifted and mirrored copies: grids and single blobs do not move along."""

    name: ClassVar[str] = "shift_average"
    cost: ClassVar[float] = 8.0
    shifts: tuple[tuple[int, int], ...] = ((0, 0), (1, 2), (2, 1), (3, 3))

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run a shift; every other copy is mirrored left to right."""
        total = torch.zeros(source.shape, dtype=torch.float32)
        for index, shift in enumerate(self.shifts):
            total += self._shifted(source, stylist, shift, mirrored=index % 2 == 1).float()
        return to_pixels(total / len(self.shifts))

    def _shifted(
        self, source: Tensor, stylist: Stylist, shift: tuple[int, int], *, mirrored: bool
    ) -> Tensor:
        down, right = shift
        height, width = source.shape[1:]
        padded = F.pad(source[None].float(), (right, 0, down, 0), mode="replicate")[0]
        moved = padded.to(torch.uint8)
        moved = moved.flip(2) if mirrored else moved
        output = self.stylize(moved, stylist)
        output = output.flip(2) if mirrored else output
        return output[:, down : down + height, right : right + width]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthBlend(Restyling):
    """A little of the photo back in: returns lost content, never below the floor of 0.8."""

    name: ClassVar[str] = "strength_blend"
    cost: ClassVar[float] = 2.2
    strength: float = 0.85

    def __post_init__(self) -> None:
        if not STRENGTH_FLOOR <= self.strength <= 1:
            raise ValueError(f"strength must be in {STRENGTH_FLOOR}..1, got {self.strength}")

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run, mixed with the photo."""
        output = self.stylize(source, stylist)
        return to_pixels(torch.lerp(source.float(), output.float(), self.strength))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPass(Restyling):
    """Stylize the output once more: where the first pass changed little, two change enough."""

    name: ClassVar[str] = "second_pass"
    cost: ClassVar[float] = 4.0

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Two runs, one behind the other."""
        return self.stylize(self.stylize(source, stylist), stylist)


def to_pixels(image: Tensor) -> Tensor:
    """Round levels 0..255 of any float type to uint8."""
    return image.round().clamp(0, 255).to(torch.uint8)
