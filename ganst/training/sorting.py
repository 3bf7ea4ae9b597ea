"""Rows in ascending order, fast on a CPU."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def ascending(rows: Tensor) -> Tensor:
    """fp32 `[K, M]` -> the same values, each row sorted; differentiable.

    NumPy sorts with vector instructions where torch's CPU kernel does not: 0.7 against 4.6 ms for the
    order of `[48, 2048]`, and 0.1 ms for the values alone.
    """
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    if not (rows.requires_grad and torch.is_grad_enabled()):
        return torch.from_numpy(np.sort(rows.detach().numpy(), axis=1))
    ordered = _Ascending.apply(rows)
    assert isinstance(ordered, Tensor)
    return ordered


class _Ascending(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401
        order = torch.from_numpy(np.argsort(rows.detach().numpy(), axis=1))
        ctx.save_for_backward(order)
        return rows.gather(1, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401
        """Each value's gradient goes back to where the value came from."""
        (order,) = ctx.saved_tensors
        return torch.empty_like(grads[0]).scatter_(1, order, grads[0])
