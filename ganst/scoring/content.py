"""Whether the content of the source is still in the output: structure, blind to colour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import correlation, gradients, halve

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

_GMS_CONSTANT = 0.0026  # Xue 2014 (arXiv:1308.3052, eq. 4), for a luminance in 0..1
_BINS = 8
_CELL = 16
_MAX_CELLS_A_SIDE = 16  # self-similarity is O(N^2): at most 256 cells


def measure_content(source: Canvas, output: Canvas) -> dict[str, float]:
    """The `c_` columns. All but `c_gms` and `c_gmsd` are bad when high; those are two-sided."""
    half = gradient_similarity(halve(source.light[None])[0], halve(output.light[None])[0])
    source_cells, output_cells = orientation_cells(source), orientation_cells(output)
    return {
        "c_gms": 1 - float(half.mean()),
        "c_gmsd": float(half.std()),
        "c_hog": 1 - float(F.cosine_similarity(source_cells, output_cells, dim=0).mean()),
        "c_selfsim": 1
        - correlation(_similarity(source, source_cells), _similarity(output, output_cells)),
        "c_lumcorr": _fisher(correlation(_thumbnail(source.light), _thumbnail(output.light))),
        "c_gradcorr": _fisher(_signed_gradient_correlation(source.light, output.light)),
    }


def gradient_similarity(source: Tensor, output: Tensor) -> Tensor:
    """Gradient magnitude similarity map of two `[h, w]` planes, 0..1 (arXiv:1308.3052, eq. 4)."""
    a, b = torch.hypot(*gradients(source)), torch.hypot(*gradients(output))
    return (2 * a * b + _GMS_CONSTANT) / (a * a + b * b + _GMS_CONSTANT)


def orientation_cells(canvas: Canvas) -> Tensor:
    """Histograms of unsigned gradient orientation in 16-px cells, by magnitude: `[8, r, c]`."""
    magnitude = torch.hypot(canvas.gx, canvas.gy)
    angle = torch.atan2(canvas.gy, canvas.gx)
    index = ((angle / math.pi) % 1 * _BINS).long().clamp_max(_BINS - 1)
    rows, cols = (size // _CELL for size in magnitude.shape)
    magnitude = magnitude[: rows * _CELL, : cols * _CELL]
    index = index[: rows * _CELL, : cols * _CELL]
    row = torch.arange(rows).repeat_interleave(_CELL)[:, None]
    col = torch.arange(cols).repeat_interleave(_CELL)[None, :]
    flat = (index * rows + row) * cols + col
    counts = torch.bincount(flat.flatten(), magnitude.flatten().double(), _BINS * rows * cols)
    return counts.reshape(_BINS, rows, cols).float() / _CELL**2 + 1e-4


def self_similarity(canvas: Canvas) -> Tensor:
    """Cosines between the cells of one image, upper triangle, `[N (N-1) / 2]`.

    Structure without appearance, after Splice (arXiv:2201.00424), with orientation histograms,
    lightness and contrast in place of DINO keys.
    """
    return _similarity(canvas, orientation_cells(canvas))


def _similarity(canvas: Canvas, hog: Tensor) -> Tensor:
    rows, cols = (min(size, _MAX_CELLS_A_SIDE) for size in hog.shape[1:])
    light = canvas.light[None, None]
    mean = F.adaptive_avg_pool2d(light, (rows, cols))
    spread = (F.adaptive_avg_pool2d(light**2, (rows, cols)) - mean**2).clamp_min(0).sqrt()
    hog = F.adaptive_avg_pool2d(hog[None], (rows, cols))
    hog = hog / hog.norm(dim=1, keepdim=True)
    cells = torch.cat([hog, 2 * _standardise(mean), _standardise(spread)], dim=1)[0].flatten(1)
    cells = F.normalize(cells - cells.mean(dim=1, keepdim=True), dim=0)  # [10, N]
    upper = torch.triu_indices(cells.shape[1], cells.shape[1], offset=1)
    return (cells.T @ cells)[upper[0], upper[1]]


def _standardise(plane: Tensor) -> Tensor:
    return (plane - plane.mean()) / (plane.std() + 1e-3)


def _thumbnail(light: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(light[None, None], (16, 16))[0, 0]


def _signed_gradient_correlation(source: Tensor, output: Tensor) -> float:
    """Correlation of gradient vectors at 1/4 size: negative where light and dark swap."""
    a = torch.stack(gradients(halve(source[None], 2)[0]))
    b = torch.stack(gradients(halve(output[None], 2)[0]))
    return correlation(a, b)


def _fisher(r: float) -> float:
    """Minus the Fisher transform of a correlation: near-normal, and high is bad."""
    return -math.atanh(max(-0.999, min(0.999, r)))
