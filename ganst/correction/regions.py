"""Repair of single places: only what is unusual is painted anew, the rest stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ganst.correction.strategies import NotApplicableError, Restyling, to_pixels
from ganst.scoring.canonical import blur
from ganst.scoring.cells import measure_cells
from ganst.scoring.heatmap import LocalScale, excess_map, has_hot_place, to_heat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ganst.correction.strategies import Stylist, Subject

_GROWN = 1 / 40  # of the short side: the heat of a cell fades at the border of a fault
_FEATHER = 1 / 60  # of the short side, sigma
_MOST = 0.5  # of the picture; above, it is no single place
_COMPARED = 3  # good outputs that say what a place may look like
_FLIPS = ((), (2,), (1,))  # as it is, left to right, upside down


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRepair(Restyling):
    """The hot places of the flagged output painted anew and feathered in.

    Where comes from the heat map, which no score is made of. Where the network fails there again, the
    fault is its own: then its runs on the mirrored photo are looked at, and the coolest one is taken.
    """

    name: ClassVar[str] = "region_repair"
    runs: ClassVar[float] = 2.5

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run to three, each as a whole: norms taken of a region alone give it other colours."""
        source, flagged = subject.source, subject.flagged
        if flagged is None or flagged.shape != source.shape:
            raise NotApplicableError("there is no output of the photo's size to repair")
        usual = _usual(subject.good()[:_COMPARED])
        mask = repair_mask(source, flagged, usual)
        best, coolest = flagged, float("inf")
        for flips in _FLIPS:
            fresh = self.stylize(source.flip(flips), stylist).flip(flips)
            candidate = to_pixels(torch.lerp(flagged.float(), fresh.float(), mask))
            warmth = float((_heat(source, candidate, usual) * mask[0]).sum())
            if warmth < coolest:
                best, coolest = candidate, warmth
            if coolest == 0:
                break
        return best


def repair_mask(source: Tensor, flagged: Tensor, usual: LocalScale | None = None) -> Tensor:
    """How much of each pixel is to be replaced, 0..1 float32 `[1, H, W]`, with soft borders.

    `usual`: what the cells of good outputs look like; without it the rest of the image says so.

    Raises:
        NotApplicableError: Nothing stands out, or too much of the picture.

    """
    heat = _heat(source, flagged, usual)
    if not has_hot_place(heat):
        raise NotApplicableError("no single place stands out")
    short = min(source.shape[1:])
    reach = 2 * max(1, round(_GROWN * short)) + 1
    grown = F.max_pool2d((heat > 0).float()[None], reach, stride=1, padding=reach // 2)
    if float(grown.mean()) > _MOST:
        raise NotApplicableError(f"no single place: {float(grown.mean()):.0%} of it stands out")
    return blur(grown, _FEATHER * short).clamp(0, 1)


def _usual(good: Sequence[tuple[Tensor, Tensor]]) -> LocalScale | None:
    return LocalScale.fit([measure_cells(*pair) for pair in good]) if good else None


def _heat(source: Tensor, output: Tensor, usual: LocalScale | None) -> Tensor:
    height, width = source.shape[1:]
    return to_heat(excess_map(source, output, usual), (height, width))
