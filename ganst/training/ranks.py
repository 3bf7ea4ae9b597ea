"""What the processes of one training do together: each rank works on its share of every batch.

All ranks draw the same random numbers for the whole batch and keep the part of their own images, and
gradients are averaged. So R ranks with batch b train as one rank with batch R * b does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ranks:
    """Member `rank` of `size`; beyond one, torch.distributed has been set up in this process."""

    rank: int = 0
    size: int = 1

    def share(self, whole: Any) -> Any:  # noqa: ANN401  a tensor or a sequence
        """Own part of something with one entry per image of the whole batch."""
        if self.size == 1:
            return whole
        own = len(whole) // self.size
        return whole[self.rank * own : (self.rank + 1) * own]

    def gather(self, own: Tensor) -> Tensor:
        """`[b, ...]` of every rank -> `[R * b, ...]` in rank order; differentiable in `own`."""
        if self.size == 1:
            return own
        gathered = _Gather.apply(own, self.rank, self.size)
        assert isinstance(gathered, Tensor)
        return gathered

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the ranks, with one message for all of them."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, *numbers: float) -> list[float]:
        """The numbers of rank 0, on every rank: clocks and signals differ, decisions must not.

        They stay on the CPU: by way of a GPU every step would wait for the one before.
        """
        if self.size == 1:
            return list(numbers)
        told = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(told, src=0)
        return told.tolist()


ALONE = Ranks()


class _Gather(torch.autograd.Function):
    """All-gather for losses that every rank computes on the whole batch from the same draws.

    Their gradients are equal on all ranks, so nothing is sent back: each rank takes the rows of its
    own images, `size` times, because gradients of parameters are averaged and not summed.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, rank: int, size: int) -> Tensor:  # noqa: ANN401
        ctx.rank, ctx.size = rank, size
        parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(size)]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return grads[0].chunk(ctx.size)[ctx.rank] * ctx.size, None, None
