"""bf16 or fp32: whichever this machine computes faster, as measured.

That a CPU has instructions for bf16 does not say that they pay: with AVX512-BF16 one CPU runs the
convolutions of a residual block at twice the rate of fp32, another at half (93 against 170 GFLOP/s).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Precision = Literal["bf16", "fp32"]

CLEARLY_FASTER = 1.15  # by less, fp32 is not worth giving up
_ROUNDS = 5
_SHAPE = (1, 128, 64, 64)  # of the features in the blocks of a 256 x 256 image


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """CPU seconds of one convolution, the least of several rounds in turn."""

    bf16_s: float
    fp32_s: float

    @property
    def speedup(self) -> float:
        """How many times as fast bf16 is."""
        return self.fp32_s / self.bf16_s


def choose_precision(*, training: bool = False) -> Precision:
    """bf16 where the GPU has it, or where the CPU is clearly faster with it; `training`: both ways."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    found = probe_cpu(training=training)
    return "bf16" if found is not None and found.speedup >= CLEARLY_FASTER else "fp32"


@lru_cache(maxsize=2)
def probe_cpu(*, training: bool = False) -> Probe | None:
    """Time both precisions, once per process; None where the CPU has no instructions for bf16."""
    if not torch.cpu._is_avx512_bf16_supported():
        return None
    best = {torch.bfloat16: float("inf"), torch.float32: float("inf")}
    work = {dtype: _convolution(dtype, training=training) for dtype in best}
    for run in work.values():
        run()
    for _ in range(_ROUNDS):
        for dtype, run in work.items():
            began = time.process_time()
            run()
            best[dtype] = min(best[dtype], time.process_time() - began)
    return Probe(bf16_s=best[torch.bfloat16], fp32_s=best[torch.float32])


def _convolution(dtype: torch.dtype, *, training: bool) -> Callable[[], object]:
    """A 3 x 3 convolution as the generators run it; for training with its gradients, as trained."""
    layout = torch.contiguous_format if training else torch.channels_last
    channels = _SHAPE[1]
    x = torch.zeros(_SHAPE, dtype=dtype).contiguous(memory_format=layout)
    weight = torch.zeros((channels, channels, 3, 3), dtype=dtype).contiguous(memory_format=layout)
    x.requires_grad, weight.requires_grad = training, training

    def forward() -> Tensor:
        with torch.set_grad_enabled(training):
            return F.conv2d(x, weight, padding=1)

    return (lambda: forward().sum().backward()) if training else forward
