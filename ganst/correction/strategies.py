"""Ways to make an output again, cheapest first; each deterministic and named in the lineage.

A strategy gets the source and a `Stylist` and gives a candidate of the same size. None of them sees
the scorer: what chooses a candidate must not have made it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

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
class Rerun:
    """The same weights once more in full precision: mends what was damaged after the network."""

    name: ClassVar[str] = "rerun_fp32"
    cost: ClassVar[float] = 2.0
    checkpoint: str = "final"
    precision: str = "fp32"

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]`."""
        return stylist(source, checkpoint=self.checkpoint, precision=self.precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCheckpoint:
    """Another checkpoint of the same training: other weights, the same style."""

    name: ClassVar[str] = "other_checkpoint"
    cost: ClassVar[float] = 2.5
    checkpoint: str = "early"
    precision: str = "fp32"

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]`."""
        return stylist(source, checkpoint=self.checkpoint, precision=self.precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAverage:
    """Mean of runs on shifted and mirrored copies: grids and single blobs do not move along."""

    name: ClassVar[str] = "shift_average"
    cost: ClassVar[float] = 8.0
    checkpoint: str = "final"
    precision: str = "fp32"
    shifts: tuple[tuple[int, int], ...] = ((0, 0), (1, 2), (2, 1), (3, 3))

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]`; every other copy is mirrored left to right."""
        total = torch.zeros(source.shape, dtype=torch.float32)
        for index, shift in enumerate(self.shifts):
            total += self._shifted(source, stylist, shift, mirrored=index % 2 == 1).float()
        return (total / len(self.shifts)).round().clamp(0, 255).to(torch.uint8)

    def _shifted(
        self, source: Tensor, stylist: Stylist, shift: tuple[int, int], *, mirrored: bool
    ) -> Tensor:
        down, right = shift
        height, width = source.shape[1:]
        padded = F.pad(source[None].float(), (right, 0, down, 0), mode="replicate")[0]
        moved = padded.to(torch.uint8)
        moved = moved.flip(2) if mirrored else moved
        output = stylist(moved, checkpoint=self.checkpoint, precision=self.precision)
        output = output.flip(2) if mirrored else output
        return output[:, down : down + height, right : right + width]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthBlend:
    """A little of the photo back in: returns lost content, never below the floor of 0.8."""

    name: ClassVar[str] = "strength_blend"
    cost: ClassVar[float] = 2.2
    strength: float = 0.85
    checkpoint: str = "final"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if not STRENGTH_FLOOR <= self.strength <= 1:
            raise ValueError(f"strength must be in {STRENGTH_FLOOR}..1, got {self.strength}")

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]`."""
        output = stylist(source, checkpoint=self.checkpoint, precision=self.precision)
        mixed = torch.lerp(source.float(), output.float(), self.strength)
        return mixed.round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPass:
    """Stylize the output once more: where the first pass changed little, two change enough."""

    name: ClassVar[str] = "second_pass"
    cost: ClassVar[float] = 4.0
    checkpoint: str = "final"
    precision: str = "fp32"

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Give the candidate, uint8 `[3, H, W]`."""
        output = stylist(source, checkpoint=self.checkpoint, precision=self.precision)
        return stylist(output, checkpoint=self.checkpoint, precision=self.precision)


Strategy = Rerun | OtherCheckpoint | ShiftAverage | StrengthBlend | SecondPass

_RERUN, _OTHER, _AVERAGE, _BLEND = Rerun(), OtherCheckpoint(), ShiftAverage(), StrengthBlend()
_SECOND = SecondPass()
_DEFAULT: tuple[Strategy, ...] = (_RERUN, _OTHER, _AVERAGE)
# A blend is offered only where content is missing: it would make a passthrough worse.
_LADDERS: dict[str, tuple[Strategy, ...]] = {
    "passthrough": (_RERUN, _OTHER, _SECOND),
    "blur": (_RERUN, _BLEND, _OTHER),
    "wrong_image": (_RERUN, _BLEND, _OTHER),
    "color_cast": (_RERUN, _BLEND, _OTHER),
    "exposure": (_RERUN, _BLEND, _OTHER),
    "inverted": (_RERUN, _OTHER, _BLEND),
    "unknown": (_RERUN, _BLEND, _OTHER),
}


def ladder(reason: str | None, checkpoints: tuple[str, ...]) -> tuple[Strategy, ...]:
    """Strategies for a reason in the order to try them: cheapest first.

    Those that need a checkpoint the style does not have are left out.
    """
    wanted = _LADDERS.get(reason or "unknown", _DEFAULT)
    usable = (strategy for strategy in wanted if strategy.checkpoint in checkpoints)
    return tuple(sorted(usable, key=lambda strategy: strategy.cost))


def parameters(strategy: Strategy) -> dict[str, Any]:
    """The strategy's parameters as JSON values: with its name, what makes the candidate."""
    return asdict(strategy)
