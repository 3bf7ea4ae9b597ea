"""Where in an output something is unusual given its source, as a map for people to look at.

No score comes from it and none is changed by it. 0 is usual for the style; what is usual is learnt
from outputs that are taken as good (`LocalScale.fit`), or, where there are too few of them, from
the rest of the very image: then a fault that covers most of it stays cool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import check_supported
from ganst.scoring.cells import LOCAL_MEASURES, Cells, measure_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MIN_PAIRS = 12  # good outputs; below, an image is compared with itself
_RIDGE = 1e-3
_ROUNDS = 8
_TUNING = 1.5  # Huber, in robust standard deviations
_USUAL_SHARE = 0.995
_LEAST_LIMIT = 3.0
_OFFSET = 2.0
_CHANCE = 0.002  # of the picture: a cell or two
_OWN_LIMIT = 5.0  # of an image that is compared with itself: there is no quantile to trust
_FLOORS = torch.tensor([measure.floor for measure in LOCAL_MEASURES], dtype=torch.float64)
_LOWEST = torch.tensor([-torch.inf if measure.low else 0.0 for measure in LOCAL_MEASURES])
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalScale:
    """What a cell of an output is expected to be given the photo, and how far off is still usual.

    `weights` `[K, F]`; `spread` `[K]` robust standard deviations of what the photo leaves over;
    `limits` `[K]` in such deviations.
    """

    weights: Tensor
    spread: Tensor
    limits: Tensor

    @classmethod
    def fit(cls, cells: Sequence[Cells]) -> LocalScale:
        """Fit to the cells of good outputs. Raises ValueError without any."""
        if not cells:
            raise ValueError("a local scale needs at least one output")
        features = torch.cat([one.features.flatten(1) for one in cells], dim=1)
        values = torch.cat([one.values.flatten(1) for one in cells], dim=1)
        weights = torch.stack([_robust_ridge(features, row) for row in values])
        spread = torch.maximum(_robust_spread(values - weights @ features), _FLOORS)
        limits = torch.full_like(spread, _OWN_LIMIT)
        if len(cells) >= MIN_PAIRS:
            sigmas = torch.cat([_sigmas(one, weights, spread).flatten(1) for one in cells], dim=1)
            largest = torch.quantile(sigmas.abs(), _USUAL_SHARE, dim=1)
            limits = largest.clamp_min(_LEAST_LIMIT)
        return cls(weights=weights, spread=spread, limits=limits)

    def excess(self, cells: Cells) -> Tensor:
        """How many limits each measure of each cell is above (+) or below (-) the usual, `[K, r, c]`."""
        ratios = _sigmas(cells, self.weights, self.spread) / self.limits[:, None, None]
        beyond = ratios.sign() * (ratios.abs() - 1).clamp_min(0)
        return torch.maximum(beyond, _LOWEST[:, None, None])


def excess_map(source: Tensor, output: Tensor, scale: LocalScale | None = None) -> Tensor:
    """How far outside of the usual each measure of each cell is, `[K, r, c]` float64, 0 = usual.

    `source`, `output`: uint8 `[3, H, W]` of one size. Without `scale` the image is compared with
    itself. Raises `UnsupportedImageError` below 64 px or beyond 4 : 1, ValueError where the sizes
    differ.
    """
    check_supported(output)
    cells = measure_cells(source, output)
    return (scale or LocalScale.fit([cells])).excess(cells)


def to_heat(excess: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest excess of `[K, r, c]` as a map of `size` (h, w), float32: 0 usual, 1 twice the limit."""
    heat = excess.abs().amax(dim=0)[None, None]
    return F.interpolate(heat, size=size, mode="bilinear", align_corners=False)[0, 0].float()


def measures_in_words(excess: Tensor, most: int = 2) -> tuple[str, ...]:
    """What is unusual in the hot cells of `[K, r, c]`, most telling first; empty where none is hot."""
    sides = [(measure.high, excess[k].clamp_min(0)) for k, measure in enumerate(LOCAL_MEASURES)]
    sides += [(measure.low, -excess[k].clamp_max(0)) for k, measure in enumerate(LOCAL_MEASURES)]
    totals = sorted(((float(side.sum()), words) for words, side in sides), reverse=True)
    return tuple(words for total, words in totals[:most] if total > 0)


def has_hot_place(heat: Tensor) -> bool:
    """Whether enough of `[h, w]` is hot to be more than a chance cell."""
    return _hot_share(heat) >= _CHANCE


def place_in_words(heat: Tensor) -> str:
    """Where the heat of `[h, w]` lies: "lower left, 4 % of the picture", "nowhere", "all over"."""
    if not has_hot_place(heat):
        return "no single place stands out"
    share = _hot_share(heat)
    if share > 0.5:
        return f"all over, {100 * share:.0f} % of the picture"
    total = heat.sum()
    down = float((heat.sum(dim=1) * torch.linspace(0, 1, heat.shape[0])).sum() / total)
    across = float((heat.sum(dim=0) * torch.linspace(0, 1, heat.shape[1])).sum() / total)
    row = ("upper", "middle", "lower")[min(int(3 * down), 2)]
    col = ("left", "middle", "right")[min(int(3 * across), 2)]
    name = "middle" if row == col else f"{row} {col}"
    return f"{name}, {max(100 * share, 1):.0f} % of the picture"


def _hot_share(heat: Tensor) -> float:
    return float((heat > 0).float().mean())


def _sigmas(cells: Cells, weights: Tensor, spread: Tensor) -> Tensor:
    """What the photo leaves over, in deviations, `[K, r, c]`.

    A picture as a whole may lie a little off: up to so much of its median is taken out.
    """
    expected = torch.einsum("kf,frc->krc", weights, cells.features)
    sigmas = (cells.values - expected) / spread[:, None, None]
    offset = sigmas.flatten(1).median(dim=1).values.clamp(-_OFFSET, _OFFSET)
    return sigmas - offset[:, None, None]


def _robust_ridge(features: Tensor, values: Tensor) -> Tensor:
    """Huber regression `[F, N]` -> `[N]` by reweighting: a fault may not move what is expected."""
    weights = torch.ones_like(values)
    penalty = _RIDGE * values.numel() * torch.eye(len(features), dtype=features.dtype)
    solution = torch.zeros(len(features), dtype=features.dtype)
    for _ in range(_ROUNDS):
        weighted = features * weights
        solution = torch.linalg.solve(weighted @ features.T + penalty, weighted @ values)
        residuals = values - solution @ features
        spread = _robust_spread(residuals[None])[0].clamp_min(_TINY)
        weights = (_TUNING * spread / residuals.abs().clamp_min(_TINY)).clamp_max(1.0)
    return solution


def _robust_spread(rows: Tensor) -> Tensor:
    """1.4826 times the median absolute value of `[K, N]`, `[K]`."""
    return 1.4826 * rows.abs().median(dim=1).values
