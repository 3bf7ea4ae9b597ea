"""How a picture has moved as a whole from one frame to another: by phase correlation.

Kuglin and Hines 1975; between pixels by a parabola through the peak. A zoom, or things that move one
by one, have no such shift: it is then (0, 0).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

Seen = tuple[Tensor, Tensor]  # light `[H, W]`, and its spectrum
_LARGEST = 0.15  # of a side, by which a picture moves from frame to frame
_BETTER = 0.9  # of the change without it, that a shift has to come under


def spectrum_of(light: Tensor) -> Tensor:
    """Of light `[H, W]`, its edges faded out."""
    return torch.fft.rfft2((light - light.mean()) * _window(*light.shape))


def camera_shift(before: Seen, after: Seen) -> tuple[float, float]:
    """By which shares of the sides (right, down) everything seen has moved."""
    rows, cols = before[0].shape
    cross = after[1] * before[1].conj()
    surface = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-6), s=(rows, cols))
    peak = int(surface.argmax())
    down = _between(surface[:, peak % cols], peak // cols)
    right = _between(surface[peak // cols], peak % cols)
    found = right / cols, down / rows
    is_near = abs(found[0]) <= _LARGEST and abs(found[1]) <= _LARGEST
    return found if is_near and _is_better(before[0], after[0], down, right) else (0.0, 0.0)


def _between(line: Tensor, peak: int) -> float:
    """The place of a peak on a circular line, between its points, from 0 in both directions."""
    length = len(line)
    left, middle, right = (float(line[(peak + step) % length]) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    place = peak + (0.5 * (left - right) / bend if bend < 0 else 0.0)
    return place - length if place > length / 2 else place


def _is_better(before: Tensor, after: Tensor, down: float, right: float) -> bool:
    by = round(down), round(right)
    if by == (0, 0):
        return False
    earlier, later = (
        plane[_along(plane.shape[0], sign * by[0]), _along(plane.shape[1], sign * by[1])]
        for plane, sign in ((before, 1), (after, -1))
    )
    moved = (later - earlier).abs().mean()
    return bool(moved < _BETTER * (after - before).abs().mean())


def _along(length: int, by: int) -> slice:
    """Where on a line lies what is still seen after moving on by that much."""
    return slice(max(0, -by), length - max(0, by))


@lru_cache(maxsize=4)
def _window(rows: int, cols: int) -> Tensor:
    return torch.outer(torch.hann_window(rows), torch.hann_window(cols))
