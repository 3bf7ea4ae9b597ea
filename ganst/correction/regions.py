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

_GROWN = 1 / 20  # of the short side: the heat of a cell fades at the border of a fault
_FEATHER = 1 / 60  # of the short side, sigma
_MOST = 0.4  # of the picture; above, it is no single place
_SAME_LEVELS = 4.0  # mean difference under which the network has painted the same again


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRepair(Restyling):
    """The hot places of the flagged output painted anew and feathered in.

    Where comes from the heat map, which no score is made of. Where the network paints the same
    there again, the fault is its own: then its run on the mirrored photo, which has other borders.
    """

    name: ClassVar[str] = "region_repair"
    cost: ClassVar[float] = 3.0

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run or two, as a whole: norms taken of a region alone give it other colours."""
        source, flagged = subject.source, subject.flagged
        if flagged is None or flagged.shape != source.shape:
            raise NotApplicableError("there is no output of the photo's size to repair")
        mask = repair_mask(source, flagged, subject.good())
        fresh = self.stylize(source, stylist)
        if _difference(fresh, flagged, mask) < _SAME_LEVELS:
            fresh = self.stylize(source.flip(2), stylist).flip(2)
        return to_pixels(torch.lerp(flagged.float(), fresh.float(), mask))


def repair_mask(
    source: Tensor, flagged: Tensor, good: Sequence[tuple[Tensor, Tensor]] = ()
) -> Tensor:
    """How much of each pixel is to be replaced, 0..1 float32 `[1, H, W]`, with soft borders.

    `good`: photos and good outputs, which say what is usual; without any the rest of the image does.

    Raises:
        NotApplicableError: Nothing stands out, or too much of the picture.

    """
    usual = LocalScale.fit([measure_cells(*pair) for pair in good]) if good else None
    height, width = source.shape[1:]
    heat = to_heat(excess_map(source, flagged, usual), (height, width))
    if not has_hot_place(heat):
        raise NotApplicableError("no single place stands out")
    short = min(height, width)
    reach = 2 * round(_GROWN * short) + 1
    hot = (heat > 0).float()[None]
    grown = F.max_pool2d(hot, reach, stride=1, padding=reach // 2)
    if float(grown.mean()) > _MOST:
        raise NotApplicableError(f"no single place: {float(grown.mean()):.0%} of it stands out")
    return blur(grown, _FEATHER * short).clamp(0, 1)


def _difference(a: Tensor, b: Tensor, mask: Tensor) -> float:
    return float(((a.float() - b.float()).abs() * mask).sum() / (3 * mask.sum()))
