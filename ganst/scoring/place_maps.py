"""What each 8-px cell of an output is like, and what is known of the same cell of the photo."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

CELL = 8
_LAB = 50.0
_BLURS = (1.0, 2.5, 6.0)  # σ in px, one after the other: bands of about 2, 6 and 15 px
_QUIET = (2e-5, 5e-5, 1e-4)  # squared luminance of a band below which there is nothing to see
_QUIET_COLOUR = 1e-4
_QUIET_SLANT = 1e-5
_AROUND = 5  # cells

# Light and colour (Lab / 50); log contrast of three bands; correlation of each with the photo's;
# log contrast of colour; log ratio of gradients across and down.
MEASURES = (
    "light",
    "red",
    "yellow",
    "fine",
    "middle",
    "coarse",
    "fine_kept",
    "middle_kept",
    "coarse_kept",
    "colour_detail",
    "slant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceMaps:
    """`values` `[K, r, c]` in the order of `MEASURES`; `features` `[F, r, c]`, the first all ones."""

    values: Tensor
    features: Tensor


def place_maps(photo: Canvas, output: Canvas) -> PlaceMaps:
    """Measure two canvases of one size."""
    size = (photo.light.shape[0] // CELL, photo.light.shape[1] // CELL)
    bands, other = _bands(photo.light), _bands(output.light)
    quiet = torch.tensor(_QUIET)[:, None, None]
    power, other_power = _pool(bands**2, size) + quiet, _pool(other**2, size) + quiet
    kept = _pool(bands * other, size) / (power * other_power).sqrt()
    values = [
        _pool(output.lab / _LAB, size),
        0.5 * torch.log(other_power),
        kept,
        _colour_detail(output.lab, size),
        _slant(output, size),
    ]
    return PlaceMaps(values=torch.cat(values), features=_features(photo, power, size))


def _features(photo: Canvas, power: Tensor, size: tuple[int, int]) -> Tensor:
    """The cell, its surroundings and the whole photo: a network looks at all three."""
    colour, contrast = _pool(photo.lab / _LAB, size), 0.5 * torch.log(power)
    both = torch.cat([colour, contrast])
    around = _around(both)
    whole = both.mean(dim=(1, 2), keepdim=True).expand_as(both)
    light = colour[:1]
    return torch.cat(
        [
            torch.ones_like(light),
            both,
            _colour_detail(photo.lab, size),
            _slant(photo, size),
            around,
            whole,
            both**2,
            light * both[1:],
            colour * whole[:3],
            (around[3:] - contrast) ** 2,
        ]
    )


def _bands(light: Tensor) -> Tensor:
    """Three bands of detail `[3, h, w]`, fine to coarse."""
    levels = [light[None]]
    for sigma in _BLURS:
        levels.append(blur(levels[-1], sigma))
    return torch.cat([a - b for a, b in pairwise(levels)])


def _colour_detail(lab: Tensor, size: tuple[int, int]) -> Tensor:
    colour = lab[1:] / _LAB
    detail = colour - blur(colour, 2.0)
    return 0.5 * torch.log(_pool(detail**2, size).sum(dim=0, keepdim=True) + _QUIET_COLOUR)


def _slant(canvas: Canvas, size: tuple[int, int]) -> Tensor:
    across, down = _pool(torch.stack([canvas.gx**2, canvas.gy**2]), size) + _QUIET_SLANT
    return 0.5 * torch.log(across / down)[None]


def _around(planes: Tensor) -> Tensor:
    half = _AROUND // 2
    return F.avg_pool2d(F.pad(planes[None], (half,) * 4, mode="replicate"), _AROUND, stride=1)[0]


def _pool(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(planes[None], size)[0]
