"""Faults in one place of an image, which means over all of it do not see.

A style paints more where the photo has more detail, by a rule that the image itself shows: the
columns are what departs most from it. Letters: h, w canonical size; r, c cells of 16 px, half
overlapping. A place is 3 x 3 cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

_CELL = 16
_FINE, _MIDDLE = (0.0, 1.2), (1.2, 4.0)  # σ in px between which a band lies
_NO_DETAIL = 1e-5  # squared luminance: JPEG noise and rounding
_ROUNDS = 5


def measure_local(source: Canvas, output: Canvas) -> dict[str, float]:
    """The `l_` columns, all bad when high.

    `l_soft`, `l_lost`: log ratio by which fine and middle detail falls short of the image's own rule
    in its worst place; `l_rough`, `l_excess`: by which it goes beyond; `l_photo`: how much better
    fine detail correlates with the photo's in one place than in the typical one; `l_foreign`: how
    much worse middle detail does, where the photo has any.
    """
    fine = detail_maps(source.light, output.light, *_FINE)
    middle = detail_maps(source.light, output.light, *_MIDDLE)
    return {
        "l_soft": -float(fine.departure.min()),
        "l_lost": -float(middle.departure.min()),
        "l_rough": float(fine.departure.max()),
        "l_excess": float(middle.departure.max()),
        "l_photo": float(fine.agreement.max() - fine.agreement.median()),
        "l_foreign": float(middle.agreement.median() - middle.agreement[middle.has_detail].min()),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailMaps:
    """One band of an output against its photo's, place by place, `[r, c]` each.

    `departure`: log of the output's contrast over what the rule expects; `agreement`: correlation
    of the two, -1..1; `has_detail`: places in the upper half of the photo's contrast.
    """

    departure: Tensor
    agreement: Tensor
    has_detail: Tensor


def detail_maps(source: Tensor, output: Tensor, finest: float, coarsest: float) -> DetailMaps:
    """Compare the bands between two blurs of the planes `[h, w]`."""
    a, b = (_band(plane, finest, coarsest) for plane in (source, output))
    power_a, power_b, product = (_cells(x) for x in (a * a, b * b, a * b))
    wanted = 0.5 * torch.log(power_a + _NO_DETAIL)
    found = 0.5 * torch.log(power_b + _NO_DETAIL)
    around_a, around_b = _places(power_a), _places(power_b)
    return DetailMaps(
        departure=_places(robust_residuals(wanted, found)),
        agreement=_places(product) / ((around_a * around_b).sqrt() + 3 * _NO_DETAIL),
        has_detail=around_a >= around_a.median(),
    )


def robust_residuals(x: Tensor, y: Tensor) -> Tensor:
    """What a line through `[r, c]` pairs leaves of `y`; a tenth of them, being faulty, hardly moves it.

    Iteratively reweighted least squares with Cauchy weights (Holland 1977).
    """
    features = torch.stack([torch.ones(x.numel()), x.flatten()], dim=1).double()
    target = y.flatten().double()
    weights = torch.ones_like(target)
    ridge = 1e-3 * torch.eye(2, dtype=torch.float64)
    residuals = target
    for _ in range(_ROUNDS):
        weighted = features * weights[:, None]
        line = torch.linalg.solve(features.T @ weighted + ridge, weighted.T @ target)
        residuals = target - features @ line
        spread = 1.48 * residuals.abs().median() + 0.05
        weights = 1 / (1 + (residuals / (1.5 * spread)).square())
    return residuals.reshape(x.shape).float()


def _band(plane: Tensor, finest: float, coarsest: float) -> Tensor:
    sharp = blur(plane[None], finest)[0] if finest else plane
    return sharp - blur(plane[None], coarsest)[0]


def _cells(plane: Tensor) -> Tensor:
    return F.avg_pool2d(plane[None, None], _CELL, _CELL // 2)[0, 0]


def _places(cells: Tensor) -> Tensor:
    padded = F.pad(cells[None, None], (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(padded, 3, stride=1)[0, 0]
