"""What one 8-px cell of an output looks like beside the same cell of its source: rows for a map.

Letters: r, c cells down and across the canonical copy (32 on its short side); K local measures; F
features of the source that they are expected from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur, canonical, gradients, halve, native_light, to_lab
from ganst.scoring.content import gradient_similarity
from ganst.scoring.source import laplacian

if TYPE_CHECKING:
    from torch import Tensor

CELL = 8
# A fault is seldom one cell large; strokes are. Means of 3 x 3 cells tell them apart.
_SMOOTH = 3


@dataclass(frozen=True, slots=True)
class LocalMeasure:
    """One measure of a cell; `low` and `high` say what too small and too large a value mean.

    No `low`: too small is no fault. `floor`: the smallest spread that matters.
    """

    name: str
    low: str
    high: str
    floor: float


LOCAL_MEASURES: tuple[LocalMeasure, ...] = (
    LocalMeasure("structure", "edges left as in the photo", "edges lost or invented", 0.02),
    LocalMeasure("light", "too dark", "too light", 0.02),
    LocalMeasure("red", "too green", "too red", 0.02),
    LocalMeasure("yellow", "too blue", "too yellow", 0.02),
    LocalMeasure("contrast", "flat", "too much contrast", 0.1),
    LocalMeasure("detail", "blurred", "noisy", 0.1),
    LocalMeasure("grid", "", "a regular grid", 0.1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """`values` `[K, r, c]` in the order of `LOCAL_MEASURES`, and `features` `[F, r, c]`, float64."""

    values: Tensor
    features: Tensor


@torch.inference_mode()
def measure_cells(source: Tensor, output: Tensor) -> Cells:
    """Measure an output against its source, both uint8 `[3, H, W]` of one size.

    Raises ValueError where the sizes differ.
    """
    if source.shape != output.shape:
        raise ValueError(f"source is {list(source.shape)} but output is {list(output.shape)}")
    photo, painting = to_lab(canonical(source)), to_lab(canonical(output))
    size = (photo.shape[1] // CELL, photo.shape[2] // CELL)
    values = torch.stack(
        [
            _pool(_structure_lost(photo[0] / 100, painting[0] / 100), size),
            *(_pool(plane, size) / 100 for plane in painting),
            torch.log(_deviation(painting[0] / 100, size) + 0.01),
            torch.log(_pool(laplacian(native_light(output)[None])[0], size) + 0.003),
            torch.log(_grid(native_light(output), size) + 0.003),
        ]
    )
    return Cells(values=_smooth(values.double()), features=_smooth(_features(photo, size).double()))


def _features(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """Light, colour, contrast and detail of the photo, and squares: what a stylizer sees there."""
    light, red, yellow = (_pool(plane, size) for plane in photo / 50)
    contrast = torch.log(_deviation(photo[0] / 100, size) + 0.01)
    detail = torch.log(_pool(torch.hypot(*gradients(photo[0] / 100)), size) + 0.003)
    rows = [torch.ones_like(light), light, red, yellow, contrast, detail]
    return torch.stack([*rows, light**2, red**2, yellow**2, contrast**2, light * contrast])


def _structure_lost(photo: Tensor, painting: Tensor) -> Tensor:
    return 1 - gradient_similarity(halve(photo[None])[0], halve(painting[None])[0])


def _deviation(light: Tensor, size: tuple[int, int]) -> Tensor:
    """Standard deviation of light within each cell and a little around it."""
    fine = light - blur(light[None], 4.0)[0]
    return _pool(fine**2, size).sqrt()


def _grid(light: Tensor, size: tuple[int, int]) -> Tensor:
    """Level of a checkerboard or of stripes of period 2 or 4 px that runs on through a cell."""
    rows = torch.arange(light.shape[0])[:, None]
    cols = torch.arange(light.shape[1])[None, :]
    fine = (light - blur(light[None], 2.0)[0])[None, None]
    strongest = torch.zeros(size)
    for period in (2, 4):
        up, across = _waves(rows, period), _waves(cols, period)
        patterns = [u * a for u in up for a in across]
        patterns += [u.expand_as(light) for u in up] + [a.expand_as(light) for a in across]
        for pattern in patterns:
            level = F.adaptive_avg_pool2d(fine * pattern, size)[0, 0].abs()
            strongest = torch.maximum(strongest, level)
    return strongest


def _waves(index: Tensor, period: int) -> tuple[Tensor, ...]:
    """A square wave over `index` and, where it differs, the same wave a quarter later."""
    half = period // 2
    shifts = (0,) if half == 1 else (0, half // 2)
    return tuple(1.0 - 2.0 * ((index + shift) // half % 2) for shift in shifts)


def _pool(plane: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(plane[None, None], size)[0, 0]


def _smooth(planes: Tensor) -> Tensor:
    half = _SMOOTH // 2
    return F.avg_pool2d(planes[None], _SMOOTH, 1, half, count_include_pad=False)[0]
