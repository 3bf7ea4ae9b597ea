"""The working copy that every column is measured on, and the few image operations they share.

Letters: H, W native size; h, w canonical size (short side 256); C channels; N cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

SHORT_SIDE = 256
MIN_SIDE = 64
MAX_ASPECT = 4.0
NATIVE_TILE = 256
_BAND_LINES = 512


class UnsupportedImageError(ValueError):
    """The image is too small or too long for the columns to mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """One image, decoded once for all columns.

    `pixels`: uint8 `[3, H, W]`; `lab`: float32 `[3, h, w]`, L in 0..100; `light`: L / 100,
    `[h, w]`; `gx`, `gy`: its Prewitt gradients, `[h, w]`; `tiles`: native luma 0..1, `[T, t, t']`.
    """

    pixels: Tensor
    lab: Tensor
    light: Tensor
    gx: Tensor
    gy: Tensor
    tiles: Tensor


def open_canvas(pixels: Tensor) -> Canvas:
    """Prepare uint8 `[3, H, W]`. Raises `UnsupportedImageError` below 64 px or beyond 4 : 1."""
    check_supported(pixels)
    lab = to_lab(canonical(pixels))
    light = lab[0] / 100
    gx, gy = gradients(light)
    return Canvas(pixels=pixels, lab=lab, light=light, gx=gx, gy=gy, tiles=_native_tiles(pixels))


def check_supported(pixels: Tensor) -> None:
    """Raise `UnsupportedImageError` where a score would be a guess, ValueError for a non-image."""
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ValueError(f"expected uint8 [3, H, W], got {pixels.dtype} {list(pixels.shape)}")
    height, width = pixels.shape[1:]
    short, long = min(height, width), max(height, width)
    if short < MIN_SIDE:
        raise UnsupportedImageError(f"{width}x{height} is under {MIN_SIDE} px on its short side")
    if long > MAX_ASPECT * short:
        raise UnsupportedImageError(f"{width}x{height} is longer than {MAX_ASPECT:g} to 1")


def canonical(pixels: Tensor) -> Tensor:
    """Resize uint8 `[3, H, W]` to a short side of 256: bicubic, antialiased, rounded to 8 bit."""
    height, width = pixels.shape[1:]
    scale = SHORT_SIDE / min(height, width)
    size = (round(height * scale), round(width * scale))
    # Across by bands, then down, as torch does it inside: of the whole it makes a copy of 4 bytes a pixel.
    bands = [_resized(band, (band.shape[1], size[1])) for band in pixels.split(_BAND_LINES, dim=1)]
    return _resized(torch.cat(bands, dim=1), size)


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0]


def to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB uint8 `[3, h, w]` to CIE Lab under D65, float32 `[3, h, w]`."""
    linear = _srgb_table()[rgb.int()]
    xyz = torch.einsum("ij,jhw->ihw", _RGB_TO_XYZ, linear)
    delta = 6 / 29
    f = torch.where(xyz > delta**3, xyz.clamp_min(1e-9) ** (1 / 3), xyz / (3 * delta**2) + 4 / 29)
    return torch.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def gradients(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Prewitt gradients of `[h, w]`, each `[h, w]`, with replicated borders."""
    padded = F.pad(plane[None, None], (1, 1, 1, 1), mode="replicate")
    both = F.conv2d(padded, _PREWITT)
    return both[0, 0], both[0, 1]


def blur(planes: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of `[C, h, w]`, separable, cut at 3 sigma, replicated borders."""
    radius = max(1, round(3 * sigma))
    weights = [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-radius, radius + 1)]
    padded = F.pad(planes[:, None], (radius, radius, radius, radius), mode="replicate")[:, 0]
    return _correlate(_correlate(padded, weights, dim=2), weights, dim=1)


def _correlate(planes: Tensor, weights: list[float], dim: int) -> Tensor:
    """Weighted mean of shifted copies: a convolution with one channel is five times slower."""
    length = planes.shape[dim] - len(weights) + 1
    total = torch.zeros_like(planes.narrow(dim, 0, length))
    for start, weight in enumerate(weights):
        total.add_(planes.narrow(dim, start, length), alpha=weight / sum(weights))
    return total


def halve(planes: Tensor, times: int = 1) -> Tensor:
    """Average `[C, h, w]` over blocks of 2**times pixels."""
    return F.avg_pool2d(planes[None], 2**times)[0]


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson correlation of two tensors of one shape; 0 where one of them is constant."""
    a = a.flatten().double() - a.double().mean()
    b = b.flatten().double() - b.double().mean()
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm > 1e-12 else 0.0


def native_light(pixels: Tensor) -> Tensor:
    """Luma of uint8 `[3, H, W]` in 0..1 (Rec. 709 weights on the coded values)."""
    weights = torch.tensor([0.2126, 0.7152, 0.0722]) / 255
    return torch.einsum("c,chw->hw", weights, pixels.float())


def _native_tiles(pixels: Tensor) -> Tensor:
    """Up to 3 x 3 tiles spread evenly: the cost does not grow with the image. `[T, t, t']`."""
    height, width = pixels.shape[1:]
    rows, cols = _tile_starts(height), _tile_starts(width)
    tile = (min(NATIVE_TILE, height), min(NATIVE_TILE, width))
    return torch.stack(
        [
            native_light(pixels[:, row : row + tile[0], col : col + tile[1]])
            for row in rows
            for col in cols
        ]
    )


def _tile_starts(length: int) -> list[int]:
    count = min(3, -(-length // NATIVE_TILE))
    last = max(length - NATIVE_TILE, 0)
    return [round(index * last / max(count - 1, 1)) for index in range(count)]


@lru_cache(maxsize=1)
def _srgb_table() -> Tensor:
    coded = torch.arange(256, dtype=torch.float64) / 255
    return torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).float()


# IEC 61966-2-1, rows divided by the D65 white point.
_RGB_TO_XYZ = torch.tensor(
    [
        [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883],
    ]
)
_PREWITT = (
    torch.tensor(
        [[[[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]], [[[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]]]
    )
    / 6
)
