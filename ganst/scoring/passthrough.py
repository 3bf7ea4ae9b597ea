"""Whether the output is still the photo; content columns alone would reward returning it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ganst.scoring.canonical import blur, correlation, halve

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas


def measure_passthrough(source: Canvas, output: Canvas) -> dict[str, float]:
    """The `p_` columns: colour regression, shared fine detail, colour distance."""
    delta = (source.lab - output.lab).square().sum(dim=0).sqrt().mean()
    fine, middle = _detail_correlations(source.light, output.light)
    return {
        "p_affine": math.log(1 - affine_r2(source.lab, output.lab) + 1e-3),
        "p_fine": math.atanh(max(-0.999, min(0.999, fine))),
        "p_middle": math.atanh(max(-0.999, min(0.999, middle))),
        "p_delta": math.log(float(delta) + 0.1),
    }


def affine_r2(source: Tensor, output: Tensor) -> float:
    """Share of the output's Lab variance that an affine map of the source explains, 0..1."""
    x = halve(source).flatten(1).double()
    y = halve(output).flatten(1).double()
    x, y = x - x.mean(dim=1, keepdim=True), y - y.mean(dim=1, keepdim=True)
    covariance = x @ x.T + 1e-3 * x.shape[1] * torch.eye(3, dtype=torch.float64)
    weights = torch.linalg.solve(covariance, x @ y.T)  # [3, 3]
    total = float((y**2).sum())
    if total < 1e-6 * y.shape[1]:
        return 0.0
    return max(0.0, 1 - float(((y - weights.T @ x) ** 2).sum()) / total)


def _detail_correlations(source: Tensor, output: Tensor) -> tuple[float, float]:
    """Correlation of what is finer than 2 px, and of what lies between 2 and 6 px."""
    both = torch.stack([source, output])
    fine = both - blur(both, 2.0)
    small = halve(both)
    middle = blur(small, 1.0) - blur(small, 3.0)
    return correlation(fine[0], fine[1]), correlation(middle[0], middle[1])
