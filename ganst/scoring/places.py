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
_SIGNED = (1, 2)  # which of them the columns that say what is wrong are taken at
_COLOUR = 3  # the first measures: light and colour
_SHARE = 0.02  # of the places of 8 px: one of them is noise
_RIDGE = 1e-3
_SHRINK = 0.02
_OFFSET = 1.0  # a picture as a whole may lie so much off: that is for other columns
_OWN = slice(1, 9)  # features of the cell itself: what a picture's own rule may look at
_OWN_RIDGE = 30.0  # cells
_OWN_LIMIT = 3.0  # a fault shall not write the rule that it is judged by
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
        departures = [self._local(one, self.departures(one)) for one in maps]
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
        expected = torch.einsum("kf,frc->krc", self.weights, self._known(maps))
        return (maps.values.double() - expected) / self.spread[:, None, None]

    def columns(self, maps: PlaceMaps) -> dict[str, float]:
        """The `l_` columns, all bad when high, and the `m_` columns.

        `l_spot`, `l_place`, `l_area`: log of the squared Mahalanobis length of what departs most in
        places of 8 px (mean of the worst 2 %), 16 px and 32 px (the worst one); `l_colour`: of light
        and colour alone, 32 px. The others: the largest departure of one measure, 16 or 32 px.
        """
        raw = self.departures(maps)
        local = self._local(maps, raw)
        places = [_averaged(local, side).flatten(1) for side in _SIDES]
        lengths = [_length(place, p) for place, p in zip(places, self.precisions, strict=True)]
        worst = lengths[0].topk(max(1, round(_SHARE * len(lengths[0])))).values
        row = {
            "l_spot": float(torch.log1p(worst.mean())),
            "l_place": float(torch.log1p(lengths[1].max())),
            "l_area": float(torch.log1p(lengths[2].max())),
            "l_colour": float(torch.log1p(_length(places[2][:_COLOUR], self._of_colour()).max())),
        }
        ends = [places[index] / self.sigmas[index][:, None] for index in _SIGNED]
        low = torch.stack([end.amin(dim=1) for end in ends]).amin(dim=0)
        high = torch.stack([end.amax(dim=1) for end in ends]).amax(dim=0)
        for column, (name, sign) in _LOCAL.items():
            index = MEASURES.index(name)
            row[column] = float(high[index]) if sign > 0 else -float(low[index])
        slant = MEASURES.index("slant")
        row["l_hatched"] = max(float(high[slant]), -float(low[slant]))
        means = raw.flatten(1).mean(dim=1)
        row |= {column: float(means[MEASURES.index(name)]) for column, name in _MEAN.items()}
        return row | {"m_corners": _rim(local[0])}

    def _known(self, maps: PlaceMaps) -> Tensor:
        return (maps.features.double() - self.centre[:, None, None]) / self.scale[:, None, None]

    def _local(self, maps: PlaceMaps, departures: Tensor) -> Tensor:
        """Departures from the picture's own median and from its own rule, as far as both are usual.

        A network treats like places alike: what all places of one picture that are as light, as
        coloured and as detailed have in common is no fault in one of them.
        """
        middle = departures.flatten(1).median(dim=1).values.clamp(-_OFFSET, _OFFSET)
        rest = departures - middle[:, None, None]
        known = self._known(maps)[_OWN].flatten(1)
        known = known - known.mean(dim=1, keepdim=True)
        gram = known @ known.T + _OWN_RIDGE * torch.eye(len(known), dtype=known.dtype)
        usual = rest.flatten(1).clamp(-_OWN_LIMIT, _OWN_LIMIT)
        slopes = torch.linalg.solve(gram, known @ usual.T).T  # [K, 8]
        own = (slopes @ known).reshape(rest.shape).clamp(-_OFFSET, _OFFSET)
        return (rest - own).clamp(-_LIMIT, _LIMIT)

    def _of_colour(self) -> Tensor:
        """Precision of light and colour alone in places of 32 px, `[3, 3]`."""
        covariance = torch.linalg.inv(self.precisions[2])[:_COLOUR, :_COLOUR]
        return torch.linalg.inv(covariance)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file."""
        return {name: getattr(self, name).numpy() for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PlaceRule:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        names = cls.__dataclass_fields__
        return cls(**{name: torch.from_numpy(np.array(arrays[name])) for name in names})


def _length(rows: Tensor, precision: Tensor) -> Tensor:
    """Squared Mahalanobis lengths of `[K, n]`: `[n]`."""
    return ((precision @ rows) * rows).sum(dim=0)


def _rim(plane: Tensor) -> float:
    """How `[r, c]` grows with the squared distance from the middle, per standard deviation of it."""
    rows, cols = (torch.linspace(-1, 1, n, dtype=plane.dtype) ** 2 for n in plane.shape)
    squared = rows[:, None] + cols[None, :]
    return float((plane * (squared - squared.mean())).mean() / squared.std())


def _averaged(cells: Tensor, side: int) -> Tensor:
    return cells if side == 1 else F.avg_pool2d(cells[None], side, stride=1)[0]


def _some(cells: Tensor) -> Tensor:
    """Cells spread over `[K, r, c]`: `[K, n]`."""
    flat = cells.flatten(1)
    count = min(_CELLS_A_PICTURE, flat.shape[1])
    return flat[:, torch.linspace(0, flat.shape[1] - 1, count).round().long()]
