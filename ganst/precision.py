"""bf16 or fp32: whichever this machine computes faster, as measured.

That a CPU has instructions for bf16 does not say that they pay: with AVX512-BF16 one CPU runs the
convolutions of a residual block at five times the rate of fp32, another at half. Nor does a
convolution say what a network gains: of the five times 1.6 are left where norms and the layers at
full resolution take the time. So what is timed is the forward pass of the network that is to run.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.models.generator import GeneratorConfig, ResnetGenerator
from ganst.threads import one_thread

Precision = Literal["bf16", "fp32"]

CLEARLY_FASTER = 1.15  # by less, fp32 is not worth giving up
DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}
_ROUNDS = 9
_ENOUGH_S = 0.5  # of rounds: a large network shows its speed at once
_SURE_ROUNDS, _SURE = 3, 1.3  # rounds in which so many times as fast, or as slow, is no chance
_SHAPE = (1, 128, 64, 64)  # of the features in the blocks of a 256 x 256 image
_IMAGE = (1, 3, 256, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """CPU seconds of the same work, the least of several rounds in turn."""

    bf16_s: float
    fp32_s: float

    @property
    def speedup(self) -> float:
        """How many times as fast bf16 is."""
        return self.fp32_s / self.bf16_s


def choose_precision(
    network: GeneratorConfig | None = None, *, training: bool = False
) -> Precision:
    """bf16 where the GPU has it, or where the CPU is clearly faster with it.

    Args:
        network: What is to run; None: a convolution stands for it.
        training: Both ways.

    """
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    found = probe_network(network) if network else probe_cpu(training=training)
    return "bf16" if found is not None and found.speedup >= CLEARLY_FASTER else "fp32"


def make_ready(
    generator: ResnetGenerator, precision: Precision, device: torch.device
) -> ResnetGenerator:
    """The generator itself, as it is run: that precision, channels last.

    With the group-norm form of instance norm, up to twice as fast on a CPU.
    """
    generator.eval().to(device=device, dtype=DTYPES[precision])
    generator.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]
    return generator


@lru_cache(maxsize=8)
def probe_network(network: GeneratorConfig) -> Probe | None:
    """Time a forward pass in both, in one thread as workers run; None: no instructions for bf16."""
    if not torch.cpu._is_avx512_bf16_supported():
        return None
    with torch.inference_mode(), one_thread():
        return _alternate({precision: _forward(network, precision) for precision in DTYPES})


@lru_cache(maxsize=2)
def probe_cpu(*, training: bool = False) -> Probe | None:
    """Time a convolution in both, once per process; None where the CPU has no instructions for bf16."""
    if not torch.cpu._is_avx512_bf16_supported():
        return None
    return _alternate(
        {precision: _convolution(dtype, training=training) for precision, dtype in DTYPES.items()}
    )


def _alternate(work: dict[Precision, Callable[[], object]]) -> Probe:
    for run in work.values():
        run()
    best: dict[Precision, float] = dict.fromkeys(work, float("inf"))
    until = time.process_time() + _ENOUGH_S
    for number in range(_ROUNDS):
        if number and time.process_time() > until:
            break
        if number >= _SURE_ROUNDS and _is_sure(best):
            break
        for precision, run in work.items():
            began = time.process_time()
            run()
            best[precision] = min(best[precision], time.process_time() - began)
    return Probe(bf16_s=best["bf16"], fp32_s=best["fp32"])


def _is_sure(best: dict[Precision, float]) -> bool:
    ratio = best["fp32"] / best["bf16"] / CLEARLY_FASTER
    return max(ratio, 1 / ratio) > _SURE


def _forward(network: GeneratorConfig, precision: Precision) -> Callable[[], object]:
    """With weights of zero, for which no random number has to be drawn."""
    with torch.device("meta"):
        generator = ResnetGenerator(network)
    generator.to_empty(device="cpu")
    for values in (*generator.parameters(), *generator.buffers()):
        torch.nn.init.zeros_(values)
    generator = make_ready(generator, precision, torch.device("cpu"))
    x = torch.zeros(_IMAGE, dtype=DTYPES[precision])
    x = x.contiguous(memory_format=torch.channels_last)
    return lambda: generator(x)


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
