"""Anything that repeats over the picture: the strongest line of the spectrum, whatever its period."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_LONGEST = 24  # px: what repeats more slowly is the picture
_CORE, _FRAME = 5, 13  # bins around a line: its own, and those it is compared with
_USUAL = 4.0  # times the frame that a bin of noise often reaches


def pattern(source: Tensor, output: Tensor) -> float:
    """Log power of the strongest line over what lies around it; the photo's own lines are taken off.

    `source`, `output`: native light of the same tiles, `[T, t, t']`. Periods of 2 to 24 px in any
    direction: ripples, moire, screens, grids of any upsampling. About 1 without any.
    """
    known, found = _lines(source), _lines(output)
    known = _largest_around(_padded(known, 1)).clamp_min(_USUAL)
    return math.log(float((found / known).max()) + 1e-3)


def _lines(tiles: Tensor) -> Tensor:
    """Power over the mean power of the frame around each bin: `[t, t' // 2 + 1]`, 0 where slow."""
    height, width = tiles.shape[1:]
    centred = (tiles - tiles.mean(dim=(1, 2), keepdim=True)) * _window(height, width)
    power = torch.fft.rfft2(centred).abs().square().mean(dim=0)
    squared = _squared_frequency(height, width)
    flat = power * squared  # as of white noise: pictures fall off with the frequency
    frame = _box(flat, _FRAME) - _box(flat, _CORE)
    level = frame / (_FRAME**2 - _CORE**2) + 1e-7 * height * width * squared + 1e-9
    return torch.where(squared < 1 / _LONGEST**2, 0.0, flat / level)


def _largest_around(plane: Tensor) -> Tensor:
    """The largest of 3 x 3 neighbours of all but the border."""
    rows = torch.maximum(torch.maximum(plane[:-2], plane[1:-1]), plane[2:])
    return torch.maximum(torch.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _box(plane: Tensor, side: int) -> Tensor:
    """Sums over squares."""
    return _sums(_sums(_padded(plane, side // 2), side, dim=0), side, dim=1)


def _padded(plane: Tensor, width: int) -> Tensor:
    """The spectrum goes on across its upper and lower edge, and in mirror image at its sides."""
    padded = F.pad(plane[None, None], (0, 0, width, width), mode="circular")
    return F.pad(padded, (width, width, 0, 0), mode="reflect")[0, 0]


def _sums(plane: Tensor, side: int, dim: int) -> Tensor:
    """Sums of `side` neighbours: adding shifted copies is quicker than pooling."""
    length = plane.shape[dim] - side + 1
    total = plane.narrow(dim, 0, length).clone()
    for start in range(1, side):
        total += plane.narrow(dim, start, length)
    return total


@lru_cache(maxsize=4)
def _window(height: int, width: int) -> Tensor:
    down, across = (torch.hann_window(n, periodic=False) for n in (height, width))
    return down[:, None] * across[None, :]


@lru_cache(maxsize=4)
def _squared_frequency(height: int, width: int) -> Tensor:
    """In cycles per px, squared: `[height, width // 2 + 1]`."""
    return torch.fft.fftfreq(height)[:, None] ** 2 + torch.fft.rfftfreq(width)[None, :] ** 2
