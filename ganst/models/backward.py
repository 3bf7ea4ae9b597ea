"""Layers whose backward passes torch's CPU kernels compute slowly, for training on a CPU.

The reflection pad's gradient is scattered pixel by pixel (1.97 against 0.16 ms for bf16
`[1, 256, 64, 64]`), and autocast sends the pad through fp32. A wide convolution to three channels fills three of
sixteen lanes (59 against 34 ms there and back for bf16 `[1, 64, 262, 262]` and 7 x 7). On a GPU and under
`torch.compile` torch's own are used; for inference see `ganst.models.copies`. No second derivatives.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.models.copies import mirrored

_FEW_CHANNELS = 4
_LARGE_KERNEL = 5


def reflect_pad(x: Tensor, pad: int) -> Tensor:
    """`[N, C, H, W]` -> `[N, C, H + 2 pad, W + 2 pad]`, mirrored; dtype and layout stay as they are."""
    if not _is_trained_on_cpu(x):
        return mirrored(x, pad)
    padded = _ReflectPad.apply(x, pad)
    assert isinstance(padded, Tensor)
    return padded


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """`F.conv2d` of `[N, C, H, W]` without a pad; few channels come from many row by row of the kernel."""
    is_narrow = len(weight) <= _FEW_CHANNELS and min(weight.shape[-2:]) >= _LARGE_KERNEL
    if not is_narrow or set(stride) != {1} or not _is_trained_on_cpu(x):
        return F.conv2d(x, weight, bias, stride)
    few, many, height, width = weight.shape
    rows = F.conv2d(x, weight.permute(2, 0, 1, 3).reshape(height * few, many, 1, width))
    y = _SumOfRows.apply(rows, height)
    assert isinstance(y, Tensor)
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]


def _is_trained_on_cpu(x: Tensor) -> bool:
    is_trained = x.requires_grad and torch.is_grad_enabled()
    return is_trained and x.device.type == "cpu" and not torch.compiler.is_compiling()


class _ReflectPad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:  # noqa: ANN401
        ctx.pad = pad
        with torch.autocast("cpu", enabled=False):  # it would go through fp32, and change no bit
            return F.pad(x, (pad,) * 4, mode="reflect")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Fold the frame into the pixels that it mirrors, rows first: they carry the corners along."""
        pad, grad = ctx.pad, grads[0].clone()
        for dim in (2, 3):
            last = grad.shape[dim] - 1
            for i in range(pad):
                grad.select(dim, 2 * pad - i).add_(grad.select(dim, i))
                grad.select(dim, last - 2 * pad + i).add_(grad.select(dim, last - i))
        return grad[:, :, pad:-pad, pad:-pad], None


class _SumOfRows(torch.autograd.Function):
    """`[N, K * C, H, W]`, K rows of a kernel -> `[N, C, H - K + 1, W]`: row i is taken i pixels lower."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, num_rows: int) -> Tensor:  # noqa: ANN401
        ctx.num_rows, ctx.shape = num_rows, rows.shape
        height = rows.shape[2] - num_rows + 1
        parts = rows.chunk(num_rows, dim=1)
        total = parts[0][:, :, :height].to(torch.float32, copy=True)
        for i in range(1, num_rows):
            total += parts[i][:, :, i : i + height]
        return total.to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Each row gets the gradient where it was taken."""
        spread = grads[0].new_zeros(ctx.shape)
        for i, part in enumerate(spread.chunk(ctx.num_rows, dim=1)):
            part[:, :, i : i + grads[0].shape[2]] = grads[0]
        return spread, None
