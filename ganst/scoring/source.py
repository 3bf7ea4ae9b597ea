"""Statistics of the source photo: never anomalous themselves, the rest is judged given these."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ganst.scoring.canonical import gradients, halve

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

_EPS = 1e-4


def measure_source(source: Canvas) -> dict[str, float]:
    """The `x_` columns: lightness, colour, detail and size of the photo."""
    return lightness_and_colour(source, "x") | {
        "x_grad": _log_mean(torch.hypot(source.gx, source.gy)),
        "x_grad4": _log_mean(torch.hypot(*gradients(halve(source.light[None], 2)[0]))),
        "x_fine": _log_mean(laplacian(source.tiles)),
        "x_flat": flat_share(source.pixels),
        "x_entropy": entropy(source.light),
        "x_scale": math.log2(min(source.pixels.shape[1:])),
    }


def lightness_and_colour(canvas: Canvas, prefix: str) -> dict[str, float]:
    """Means, spreads and tails in Lab units; the same seven for the source and for the output."""
    light, a, b = canvas.lab
    chroma = torch.hypot(a, b)
    levels = light[::4, ::4].flatten().sort().values
    tails = levels[[int(0.05 * len(levels)), int(0.95 * len(levels))]]
    return {
        f"{prefix}_light": float(light.mean()),
        f"{prefix}_red": float(a.mean()),
        f"{prefix}_yellow": float(b.mean()),
        f"{prefix}_contrast": float(light.std()),
        f"{prefix}_chroma": float(chroma.mean()),
        f"{prefix}_dark": float(tails[0]),
        f"{prefix}_bright": float(tails[1]),
    }


def entropy(light: Tensor) -> float:
    """Shannon entropy of 64 lightness levels in bits, 0..6."""
    counts = torch.bincount((light * 63.999).clamp(0, 63).long().flatten(), minlength=64).double()
    share = counts[counts > 0] / counts.sum()
    return float(-(share * share.log2()).sum())


def laplacian(planes: Tensor) -> Tensor:
    """|4-neighbour Laplacian| of `[T, h, w]`, `[T, h-2, w-2]`."""
    centre = planes[:, 1:-1, 1:-1]
    around = planes[:, :-2, 1:-1] + planes[:, 2:, 1:-1] + planes[:, 1:-1, :-2] + planes[:, 1:-1, 2:]
    return (around - 4 * centre).abs()


def flat_blocks(pixels: Tensor) -> Tensor:
    """Which 8 x 8 native blocks vary by at most 3 levels a channel: float `[H // 8, W // 8]`."""
    # Channel by channel: a copy of all at once would be much at 100 MP.
    return (torch.stack([_spread(plane) for plane in pixels]).amax(dim=0) <= 3).float()


def _spread(plane: Tensor) -> Tensor:
    """Levels from the darkest to the brightest pixel of each 8 x 8 block of `[H, W]`, as `[H // 8, W // 8]`."""
    rows, cols = (size // 8 for size in plane.shape)
    blocks = plane[: rows * 8, : cols * 8].reshape(rows, 8, cols * 8)
    high = blocks.amax(dim=1).reshape(rows, cols, 8).amax(dim=2)
    low = blocks.amin(dim=1).reshape(rows, cols, 8).amin(dim=2)
    return high - low


def flat_share(pixels: Tensor) -> float:
    """Share of flat blocks, 0..1."""
    return float(flat_blocks(pixels).mean())


def _log_mean(plane: Tensor) -> float:
    return math.log(float(plane.mean()) + _EPS)
