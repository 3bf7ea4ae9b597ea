"""Images a second of the ResNet-9 generator at 256 x 256, next to the public one in eager mode.

    PYTHONPATH=. python tests/benchmarks/infer.py [--batch N] [--size 256] [--rounds 10]

The public generator is re-created (InstanceNorm2d, explicit pads); it runs in fp32 and in bf16. On a GPU, 32 images
at a time, ours runs compiled too and as photos are stylized: pixels to the GPU, a captured graph, and pixels
back. The aim is told: 2500 images/s on one H100, where eager bf16 gave 1243.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from ganst import __version__
from ganst.batches import LARGEST_BATCH
from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.pixels import to_pixels
from ganst.precision import choose_precision
from tests.benchmarks.train import public_generator

_TARGET = 2500


@torch.inference_mode()
def main() -> None:
    """Print medians of alternating rounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, help="images at a time; else 1, on a GPU 32")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = arguments.batch or (LARGEST_BATCH if device.type == "cuda" else 1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(
        f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, ganst {__version__}; "
        f"batch {batch}, {arguments.size} x {arguments.size}, precision here: {choose_precision()}"
    )
    x = torch.rand(batch, 3, arguments.size, arguments.size, device=device) * 2 - 1
    seconds = _alternate(_candidates(x), arguments.rounds, device)
    base = statistics.median(seconds["public, eager bf16"])
    for label, times in seconds.items():
        middle = statistics.median(times)
        print(f"{label:32} {len(x) / middle:9.2f} images/s  x {base / middle:.2f}")
        if device.type == "cuda" and label.startswith("ganst"):
            print(f"{'':32} target {_TARGET}: {len(x) / middle / _TARGET:.2f} of it")


def _candidates(x: torch.Tensor) -> dict[str, Callable[[], object]]:
    bf16, last = torch.bfloat16, torch.channels_last
    ours = ResnetGenerator(PRESETS["cyclegan"].generator).eval().to(x.device)
    plain = public_generator().eval().to(x.device)
    fast = _as(ours, bf16).to(memory_format=last)  # pyrefly: ignore[no-matching-overload]
    images, fast_images = x.to(bf16), x.to(bf16).contiguous(memory_format=last)
    half = _as(plain, bf16)
    runs: dict[str, Callable[[], object]] = {
        "public, eager fp32": lambda: plain(x),
        "public, eager bf16": lambda: half(images),
        "ganst, bf16, channels last": lambda: fast(fast_images),
        "ganst, fp32": lambda: ours(x),
    }
    if x.device.type == "cuda":
        compiled = torch.compile(fast)
        runs["ganst, bf16, compiled"] = lambda: compiled(fast_images)
        stylizer = Stylizer(copy.deepcopy(ours), "bf16", device=x.device)
        pixels = list(to_pixels(x).cpu())
        runs["ganst, bf16, as stylized"] = lambda: stylizer.stylize(pixels)
    return runs


def _as(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of the model in `dtype`."""
    return copy.deepcopy(model).to(dtype)


def _alternate(
    runs: dict[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for number in range(rounds + 2):
        for label, run in runs.items():
            began = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number >= 2:  # two to warm up
                seconds[label].append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
