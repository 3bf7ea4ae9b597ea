"""Damage that no style explains: grids, blocks, holes, clipping, blur and noise."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.patterns import pattern
from ganst.scoring.seams import blocks
from ganst.scoring.source import flat_blocks, laplacian

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

_CELL = 8
_TILE = 128


def measure_artifacts(source: Canvas, output: Canvas) -> dict[str, float]:
    """The `a_` columns; `_nat` ones are taken at native resolution."""
    residual = colour_residual(source.lab, output.lab)  # [r, c] in Lab units
    rows, cols = residual.shape
    flat_here = F.adaptive_avg_pool2d(flat_blocks(output.pixels)[None, None], (rows, cols))[0, 0]
    sharpness, noise = _fine_detail(output.tiles)
    return {
        "a_periodic_nat": periodic_excess(output.tiles),
        "a_pattern_nat": pattern(source.tiles, output.tiles),
        "a_blocks_nat": blocks(output.tiles),
        "a_flat_nat": math.log(float(flat_here.mean()) + 1e-3),
        "a_blank_nat": math.log(float((flat_here * residual).mean()) + 1e-3),
        "a_residual": math.log(float(residual.square().mean().sqrt()) + 0.1),
        "a_clip": math.log(clipped_share(output.pixels) + 1e-3),
        "a_sharp_nat": sharpness,
        "a_noise_nat": noise,
    }


def colour_residual(source: Tensor, output: Tensor) -> Tensor:
    """What a quadratic colour map of the source leaves over, per 8-px cell: `[r, c]` in Lab units."""
    size = (max(1, source.shape[1] // _CELL), max(1, source.shape[2] // _CELL))
    x = F.adaptive_avg_pool2d(source, size).flatten(1).double() / 50
    y = F.adaptive_avg_pool2d(output, size).flatten(1).double()  # [3, N]
    light, a, b = x
    features = torch.stack([torch.ones_like(light), light, a, b, light**2, light * a, light * b])
    gram = features @ features.T + 1e-3 * features.shape[1] * torch.eye(7, dtype=torch.float64)
    weights = torch.linalg.solve(gram, features @ y.T)  # [7, 3]
    return (y - weights.T @ features).square().sum(dim=0).sqrt().reshape(size).float()


def periodic_excess(tiles: Tensor) -> float:
    """Log power at periods 2 and 4 over the median of a ring around it; `[T, t, t']` native light.

    A transposed convolution or a pixel shuffle writes its grid there (Odena 2016).
    """
    if min(tiles.shape[1:]) < 64:
        return 0.0
    side = _TILE if min(tiles.shape[1:]) >= _TILE else 64
    window = tiles[:, :side, :side]
    window = (window - window.mean(dim=(1, 2), keepdim=True)) * _hann(side)
    power = torch.fft.fft2(window).abs().square().mean(dim=0)  # [side, side]
    half, quarter = side // 2, side // 4
    points = [(0, half), (half, 0), (half, half), (0, quarter), (quarter, 0), (quarter, quarter)]
    return max(_excess(power, row, col) for row, col in points)


def clipped_share(pixels: Tensor) -> float:
    """Share of native pixels at <= 1 or >= 254 in all channels, 0..1."""
    step = max(1, min(pixels.shape[1:]) // 512)
    sample = pixels[:, ::step, ::step]
    return float(((sample.amax(dim=0) <= 1) | (sample.amin(dim=0) >= 254)).float().mean())


def _fine_detail(tiles: Tensor) -> tuple[float, float]:
    """Sharpness: finest band over the next coarser one. Noise: typical level of the finest band."""
    finest = laplacian(tiles)
    coarser = laplacian(F.avg_pool2d(tiles[:, None], 4)[:, 0])
    sharpness = math.log((float(finest.mean()) + 1e-4) / (float(coarser.mean()) + 1e-3))
    return sharpness, math.log(float(finest.flatten()[::3].median()) + 1e-3)


def _excess(power: Tensor, row: int, col: int) -> float:
    """Log ratio of the strongest value at (row, col) to the median of the 11x11 frame around it."""
    rows = (torch.arange(-5, 6) + row) % power.shape[0]
    cols = (torch.arange(-5, 6) + col) % power.shape[1]
    frame = power[rows][:, cols]
    core = frame[4:7, 4:7].max()
    frame = frame.clone()
    frame[3:8, 3:8] = math.nan
    return math.log((float(core) + 1e-8) / (float(frame.nanmedian()) + 1e-8))


@lru_cache(maxsize=2)
def _hann(side: int) -> Tensor:
    window = torch.hann_window(side, periodic=False)
    return window[:, None] * window[None, :]
