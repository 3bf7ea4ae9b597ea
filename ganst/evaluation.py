"""How good a style is, as numbers: distance to the paintings, distance to the photos' content.

Needs no pretrained network and no discriminator, so a training cannot have learnt to please it. The
kernel distance has the form of KID (Binkowski 2018, arXiv:1801.01401), but other features: its values
compare with each other and with nothing published.

Features of one image, brought to a short side of 256 pixels, in CIE Lab, `[74]`:
  colour   15 quantiles (5 of each channel) and 3 correlations of channels
  strokes  in 4 octaves: log energy and peakedness of lightness behind 4 oriented edge and 4 line
           filters, log energy of both colour channels
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.canonical import canonical, correlation, halve, open_canvas, to_lab
from ganst.scoring.content import self_similarity

_OCTAVES = 4
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and half the width of its 95 % confidence interval."""

    value: float
    margin: float


def image_features(images: Sequence[Tensor]) -> Tensor:
    """uint8 `[3, H, W]` each, at least 64 pixels a side -> float64 `[N, 74]`."""
    return torch.stack([_features(image) for image in images])


def kernel_distance(first: Tensor, second: Tensor, scale: Tensor) -> Estimate:
    """Unbiased squared MMD of two sets of features `[n, D]`, `[m, D]` under the cubic kernel of KID.

    About 0 for two sets of one distribution (it may be negative). The margin is that of a jackknife
    over the images of both sets.

    Args:
        first: Features of at least 3 images.
        second: The same of the other set.
        scale: `[2, D]`: mean and standard deviation that bring all features to one size.

    """
    x, y = ((rows - scale[0]) / scale[1] for rows in (first, second))
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    value = _off_diagonal_mean(xx) + _off_diagonal_mean(yy) - 2 * xy.mean()
    # Left out in turn: an image of the first set, then of the second.
    spread = _jackknife(_without_each(xx) - 2 * _row_means_without_each(xy))
    spread += _jackknife(_without_each(yy) - 2 * _row_means_without_each(xy.T))
    return Estimate(float(value), 1.96 * math.sqrt(spread))


def feature_scale(*sets: Tensor) -> Tensor:
    """Mean and standard deviation of all features, each set with equal weight: `[2, D]`."""
    mean = torch.stack([rows.mean(dim=0) for rows in sets]).mean(dim=0)
    variance = torch.stack([(rows - mean).square().mean(dim=0) for rows in sets]).mean(dim=0)
    return torch.stack([mean, variance.sqrt().clamp_min(1e-6)])


def content_distance(source: Tensor, output: Tensor) -> float:
    """1 - r of the self-similarities of photo and output, uint8 `[3, H, W]`: 0 keeps all structure."""
    similar = (self_similarity(open_canvas(image)) for image in (source, output))
    return 1 - correlation(*similar)


def style_gain(before: float, after: float) -> float:
    """Share of the photos' kernel distance to the paintings that stylizing takes away; 1 is all."""
    return 1 - max(after, 0.0) / max(before, 1e-9)


def _features(pixels: Tensor) -> Tensor:
    lab = to_lab(canonical(pixels)) / torch.tensor([100.0, 60.0, 60.0])[:, None, None]
    return torch.cat([_colour(lab), *_strokes(lab)]).double()


def _colour(lab: Tensor) -> Tensor:
    flat = halve(lab, 2).flatten(1)
    quantiles = torch.quantile(flat, torch.tensor(_QUANTILES), dim=1)  # [5, 3]
    centred = flat - flat.mean(dim=1, keepdim=True)
    covariance = centred @ centred.T / flat.shape[1]
    spread = covariance.diagonal().clamp_min(1e-8).sqrt()
    upper = torch.triu_indices(3, 3, offset=1)
    return torch.cat([quantiles.flatten(), (covariance / torch.outer(spread, spread))[*upper]])


def _strokes(lab: Tensor) -> list[Tensor]:
    return [values for octave in range(_OCTAVES) for values in _octave(halve(lab, octave))]


def _octave(lab: Tensor) -> tuple[Tensor, Tensor]:
    """`[12]` of lightness (8 energies, 4 peakednesses of lines) and `[2]` of colour."""
    responses = F.conv2d(lab[:1, None], _filters())[0].flatten(1)  # [8, P]
    energy = responses.square().mean(dim=1) + 1e-8
    lines = responses[4:]
    peaked = lines.abs().mean(dim=1) / (lines.square().mean(dim=1) + 1e-8).sqrt()
    chroma = F.conv2d(lab[1:, None], _filters()[:4]).square().mean(dim=(1, 2, 3)) + 1e-8
    return torch.cat([energy.log(), 5 * peaked]), chroma.log()


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """First and second derivatives of a Gaussian along 4 directions, unit energy, `[8, 1, 7, 7]`."""
    at = torch.arange(-3.0, 4.0)
    y, x = torch.meshgrid(at, at, indexing="ij")
    bell = torch.exp(-(x**2 + y**2) / (2 * 1.2**2))
    along = [math.cos(k * math.pi / 4) * x + math.sin(k * math.pi / 4) * y for k in range(4)]
    edges = [u * bell for u in along]
    lines = [(u**2 / 1.2**2 - 1) * bell for u in along]
    bank = torch.stack([f - f.mean() for f in (*edges, *lines)])
    return (bank / bank.flatten(1).norm(dim=1)[:, None, None])[:, None]


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal_mean(square: Tensor) -> Tensor:
    n = len(square)
    return (square.sum() - square.diagonal().sum()) / (n * (n - 1))


def _without_each(square: Tensor) -> Tensor:
    """`_off_diagonal_mean` without row and column i, for each i."""
    n = len(square)
    total = square.sum() - square.diagonal().sum()
    own = square.sum(dim=1) - square.diagonal()
    return (total - 2 * own) / ((n - 1) * (n - 2))


def _row_means_without_each(matrix: Tensor) -> Tensor:
    rows = matrix.mean(dim=1)
    return (rows.sum() - rows) / (len(rows) - 1)


def _jackknife(estimates: Tensor) -> float:
    n = len(estimates)
    return float((estimates - estimates.mean()).square().sum() * (n - 1) / n)
