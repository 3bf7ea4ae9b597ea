"""Each place of an output against what outputs of this style are, given the same place of the photo.

The rule is learnt from normal outputs when a style is calibrated. A fault in one place, which means
over the whole picture do not see, departs from it there and nowhere else. Letters: r, c cells of
8 px down and across the canonical copy; K measures of a cell of the output; F features of the photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ganst.scoring.place_maps import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ganst.scoring.place_maps import PlaceMaps

_SIDES = (1, 2, 4)  # cells of a place: 8, 16 and 32 px
_SIGNED = 1  # which of them the columns that say what is wrong are taken at
_SHARE = 0.02  # of the places of 8 px: one of them is noise
_RIDGE = 1e-3
_SHRINK = 0.02
_OFFSET = 1.0  # a picture as a whole may lie so much off: that is for other columns
_LIMIT = 12.0
_CELLS_A_PICTURE = 160

# A column is the largest departure of a measure upwards (+1) or downwards (-1) in any place.
_LOCAL = {
    "l_photo": ("fine_kept", 1),
    "l_soft": ("colour_detail", -1),
    "l_smooth": ("fine", -1),
    "l_rough": ("fine", 1),
    "l_speckle": ("colour_detail", 1),
    "l_foreign": ("middle_kept", -1),
    "l_lost": ("middle", -1),
    "l_bare": ("coarse", -1),
}
# The mean departure of a measure over the picture. `fine` is left to the columns at native size.
_MEAN = {f"m_{name}": name for name in MEASURES if name != "fine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRule:
    """What a cell is expected to be: ridge on standardised features, and how usual departures lie.

    `centre`, `scale` `[F]`; `weights` `[K, F]`; `spread` `[K]`; `precisions` `[3, K, K]` and `sigmas`
    `[3, K]` of the departures in places of 8, 16 and 32 px. All float64.
    """

    centre: Tensor
    scale: Tensor
    weights: Tensor
    spread: Tensor
    precisions: Tensor
    sigmas: Tensor

    @classmethod
    def fit(cls, maps: Sequence[PlaceMaps]) -> PlaceRule:
        """Fit to normal outputs. Raises ValueError without any."""
        if not maps:
            raise ValueError("a rule of places needs at least one output")
        features = torch.cat([_some(one.features) for one in maps], dim=1).double()
        values = torch.cat([_some(one.values) for one in maps], dim=1).double()
        centre, scale = features.mean(dim=1), features.std(dim=1) + 1e-6
        centre[0], scale[0] = 0.0, 1.0  # the intercept
        known = (features - centre[:, None]) / scale[:, None]
        penalty = _RIDGE * known.shape[1] * torch.eye(len(known), dtype=known.dtype)
        weights = torch.linalg.solve(known @ known.T + penalty, known @ values.T).T
        spread = (values - weights @ known).std(dim=1) + 1e-6
        bare = cls(
            centre=centre,
            scale=scale,
            weights=weights,
            spread=spread,
            precisions=torch.empty(0),
            sigmas=torch.empty(0),
        )
        return bare._with_scatter(maps)

    def _with_scatter(self, maps: Sequence[PlaceMaps]) -> PlaceRule:
        """The same rule, with how the departures of `maps` scatter at every size of a place."""
        departures = [_without_offset(self.departures(one)) for one in maps]
        precisions, sigmas = [], []
        for side in _SIDES:
            rows = torch.cat([_some(_averaged(one, side)) for one in departures], dim=1)
            covariance = rows @ rows.T / rows.shape[1]
            level = covariance.diagonal().mean()
            covariance = covariance + _SHRINK * level * torch.eye(len(rows), dtype=rows.dtype)
            precisions.append(torch.linalg.inv(covariance))
            sigmas.append(covariance.diagonal().sqrt())
        return PlaceRule(
            centre=self.centre,
            scale=self.scale,
            weights=self.weights,
            spread=self.spread,
            precisions=torch.stack(precisions),
            sigmas=torch.stack(sigmas),
        )

    def departures(self, maps: PlaceMaps) -> Tensor:
        """What the photo does not explain, in standard deviations: `[K, r, c]` float64."""
        known = (maps.features.double() - self.centre[:, None, None]) / self.scale[:, None, None]
        expected = torch.einsum("kf,frc->krc", self.weights, known)
        return (maps.values.double() - expected) / self.spread[:, None, None]

    def columns(self, maps: PlaceMaps) -> dict[str, float]:
        """The `l_` columns, all bad when high, and the `m_` columns.

        `l_spot`, `l_place`, `l_area`: log of the squared Mahalanobis length of what departs most in
        places of 8 px (mean of the worst 2 %), 16 px and 32 px (the worst one).
        """
        raw = self.departures(maps)
        local = _without_offset(raw)
        places = [_averaged(local, side) for side in _SIDES]
        lengths = [self._length(place, index) for index, place in enumerate(places)]
        worst = lengths[0].topk(max(1, round(_SHARE * len(lengths[0])))).values
        row = {
            "l_spot": float(torch.log1p(worst.mean())),
            "l_place": float(torch.log1p(lengths[1].max())),
            "l_area": float(torch.log1p(lengths[2].max())),
        }
        sigmas = places[_SIGNED].flatten(1) / self.sigmas[_SIGNED][:, None]
        for column, (name, sign) in _LOCAL.items():
            row[column] = float((sign * sigmas[MEASURES.index(name)]).max())
        means = raw.flatten(1).mean(dim=1)
        return row | {column: float(means[MEASURES.index(name)]) for column, name in _MEAN.items()}

    def _length(self, places: Tensor, index: int) -> Tensor:
        rows = places.flatten(1)
        return ((self.precisions[index] @ rows) * rows).sum(dim=0)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file."""
        return {name: getattr(self, name).numpy() for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PlaceRule:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        names = cls.__dataclass_fields__
        return cls(**{name: torch.from_numpy(np.array(arrays[name])) for name in names})


def _without_offset(departures: Tensor) -> Tensor:
    """Departures from the picture's own median, as far as that is usual: `[K, r, c]`."""
    middle = departures.flatten(1).median(dim=1).values.clamp(-_OFFSET, _OFFSET)
    return (departures - middle[:, None, None]).clamp(-_LIMIT, _LIMIT)


def _averaged(cells: Tensor, side: int) -> Tensor:
    return cells if side == 1 else F.avg_pool2d(cells[None], side, stride=1)[0]


def _some(cells: Tensor) -> Tensor:
    """Cells spread over `[K, r, c]`: `[K, n]`."""
    flat = cells.flatten(1)
    count = min(_CELLS_A_PICTURE, flat.shape[1])
    return flat[:, torch.linspace(0, flat.shape[1] - 1, count).round().long()]
