"""Repair of single places: only what no other run of the network confirms is painted anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ganst.correction.strategies import NotApplicableError, Restyling, to_pixels
from ganst.scoring.canonical import blur

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.correction.strategies import Stylist, Subject

_GROWN = 1 / 40  # of the short side: a difference fades at the border of a fault
_FEATHER = 1 / 60  # of the short side, sigma
_MOST = 0.25  # of the picture; above, it is no single place
_FLIPS = ((2,), (1,), (1, 2))  # left to right, upside down, both
_PAIRS = ((0, 1), (0, 2), (1, 2))
_OUTSTANDING = 6.0  # in robust standard deviations of the excess over the picture
_LEAST = 6.0  # levels of 8 bit


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRepair(Restyling):
    """The places where the flagged output stands against all runs on the mirrored photo.

    A network that fails in one place, whatever the photo is, fails in another place of the photo
    when that is mirrored. So the three mirrored runs, mirrored back, agree there without the fault.
    """

    name: ClassVar[str] = "region_repair"
    runs: ClassVar[float] = 3.0

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """Three runs, each as a whole: norms taken of a region alone give it other colours."""
        source, flagged = subject.source, subject.flagged
        if flagged is None or flagged.shape != source.shape:
            raise NotApplicableError("there is no output of the photo's size to repair")
        others = torch.stack(
            [self.stylize(source.flip(flips), stylist).flip(flips) for flips in _FLIPS]
        ).float()
        mask = repair_mask(flagged.float(), others)
        return to_pixels(torch.lerp(flagged.float(), others.median(dim=0).values, mask))


def repair_mask(flagged: Tensor, others: Tensor) -> Tensor:
    """How much of each pixel is to be replaced, 0..1 float32 `[1, H, W]`, with soft borders.

    Where `flagged` (`[3, H, W]`, levels) is farther from each of the `others` (`[3, 3, H, W]`) than the
    two of them that agree best are from each other, by far more than elsewhere in the picture.

    Raises:
        NotApplicableError: Nothing stands out, or too much of the picture.

    """
    short = min(flagged.shape[1:])
    sigma = max(1.0, _FEATHER * short)
    far = torch.stack([_distance(flagged, other, sigma) for other in others]).amin(dim=0)
    usual = torch.stack([_distance(others[i], others[j], sigma) for i, j in _PAIRS]).amin(dim=0)
    excess = far - usual
    excess = excess - excess.median()
    spread = 1.4826 * excess.abs().median()
    hot = (excess > _OUTSTANDING * spread + _LEAST).float()
    if not hot.any():
        raise NotApplicableError("no single place stands out")
    reach = 2 * max(1, round(_GROWN * short)) + 1
    grown = F.max_pool2d(hot[None], reach, stride=1, padding=reach // 2)[0]
    if float(grown.mean()) > _MOST:
        raise NotApplicableError(f"no single place: {float(grown.mean()):.0%} of it stands out")
    return blur(grown, sigma).clamp(0, 1)


def _distance(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    """Mean absolute difference around each pixel, `[1, H, W]`."""
    return blur((one - other).abs().mean(dim=0, keepdim=True), sigma)
