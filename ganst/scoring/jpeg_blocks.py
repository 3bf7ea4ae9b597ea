"""What JPEG does to pixels, without its bytes: 8 x 8 cosine blocks, quantised (ITU T.81)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


def as_jpeg(pixels: Tensor, quality: float) -> Tensor:
    """uint8 `[3, H, W]` quantised as by a baseline JPEG of that quality, 1 to 50, without subsampling."""
    scale = 50 / quality
    height, width = pixels.shape[1:]
    ycc = torch.einsum("ij,jhw->ihw", _YCC, pixels.float())
    ycc = F.pad(ycc[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    rows, cols = ycc.shape[1] // 8, ycc.shape[2] // 8
    blocks = ycc.reshape(3, rows, 8, cols, 8).transpose(2, 3) - _MIDDLE[:, None, None, None, None]
    cosine = _cosines()
    steps = (torch.stack([_LUMA_STEPS, _CHROMA_STEPS, _CHROMA_STEPS]) * scale).clamp(1, 255)
    steps = steps[:, None, None].round()
    coded = (cosine @ blocks @ cosine.T / steps).round() * steps
    blocks = cosine.T @ coded @ cosine + _MIDDLE[:, None, None, None, None]
    ycc = blocks.transpose(2, 3).reshape(3, rows * 8, cols * 8)[:, :height, :width]
    restored = torch.einsum("ij,jhw->ihw", torch.linalg.inv(_YCC), ycc)
    return restored.round().clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """The orthonormal 8-point DCT-II, `[frequency, sample]`."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None, :]
    basis = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_MIDDLE = torch.tensor([128.0, 0.0, 0.0])
# ITU T.81, tables K.1 and K.2.
_LUMA_STEPS = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
_CHROMA_STEPS = torch.full((8, 8), 99.0)
_CHROMA_STEPS[:4, :4] = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]], dtype=torch.float32
)
