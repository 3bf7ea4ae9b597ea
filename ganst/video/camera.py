"""How a picture has moved as a whole from one frame to the next: by phase correlation.

Kuglin and Hines 1975; between pixels by a parabola through the peak. A zoom, or things that move one
by one, have no such shift: it is then (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Region = tuple[slice, slice]  # of lines and of columns
_HALF = 2  # the correlation is made at half the size
_LARGEST = 0.15  # of a side, by which a picture moves from frame to frame
_BETTER = 0.9  # of the change without it, that a shift has to come under


@dataclass(frozen=True, slots=True)
class View:
    """A frame to compare others with: its light `[H, W]`, and the spectrum of a small copy."""

    light: Tensor
    spectrum: Tensor

    @classmethod
    def of(cls, source: Tensor) -> View:
        """Of a frame, uint8 `[3, H, W]`."""
        light = source.float().mean(dim=0)
        sides = [min(_HALF, side) for side in light.shape]
        small = F.avg_pool2d(light[None, None], sides)[0, 0]
        window = _window(*small.shape)
        return cls(light, torch.fft.rfft2((small - small.mean()) * window))


def camera_shift(before: View, after: View) -> tuple[float, float]:
    """Pixels (down, right) by which everything seen has moved."""
    cross = after.spectrum * before.spectrum.conj()
    rows, cols = (length // min(_HALF, length) for length in before.light.shape)
    surface = torch.fft.irfft2(cross / cross.abs().clamp_min(1e-6), s=(rows, cols))
    peak = int(surface.argmax())
    down = _HALF * _between(surface[:, peak % cols], peak // cols)
    right = _HALF * _between(surface[peak // cols], peak % cols)
    return (down, right) if _is_better(before.light, after.light, down, right) else (0.0, 0.0)


def overlap(plane: Tensor, down: int, right: int) -> tuple[Region, Region]:
    """Where what both frames show lies in the earlier and in the later one; planes `[H, W]`."""
    height, width = plane.shape
    rows, cols = _along(height, down), _along(width, right)
    return (rows[0], cols[0]), (rows[1], cols[1])


def _along(length: int, by: int) -> tuple[slice, slice]:
    return slice(max(0, -by), length - max(0, by)), slice(max(0, by), length - max(0, -by))


def _between(line: Tensor, peak: int) -> float:
    """The place of a peak on a circular line, between its points, from 0 in both directions."""
    length = len(line)
    left, middle, right = (float(line[(peak + step) % length]) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    place = peak + (0.5 * (left - right) / bend if bend < 0 else 0.0)
    return place - length if place > length / 2 else place


def _is_better(before: Tensor, after: Tensor, down: float, right: float) -> bool:
    height, width = before.shape
    by = round(down), round(right)
    if by == (0, 0) or abs(by[0]) > _LARGEST * height or abs(by[1]) > _LARGEST * width:
        return False
    earlier, later = overlap(before, *by)
    moved = (after[later] - before[earlier]).abs().mean()
    return bool(moved < _BETTER * (after - before).abs().mean())


@lru_cache(maxsize=4)
def _window(rows: int, cols: int) -> Tensor:
    return torch.outer(torch.hann_window(rows), torch.hann_window(cols))
