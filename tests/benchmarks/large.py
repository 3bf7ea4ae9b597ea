"""What a large photo costs a worker: peak memory and CPU time, in strips and whole.

    python -m tests.benchmarks.large [--megapixels 12 100] [--style vangogh] [--precision bf16]
        [--ways strips whole] [--memory-mb 1536] [--scored]

Every case is a process of its own with one thread and the memory settings of a local worker: it
ingests one JPEG of 3:2 and stylizes it (`--scored`: and scores it), through the stages themselves.
*strips* is given `--strips-mb` (default 512) for activations, so that both sizes are cut; *whole*
as much as it wants, and is skipped where the machine has not got it free.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

_WHOLE_MB = 10**6
_WORKER = ("-m", "tests.benchmarks.large", "--in")


def make_photo(path: Path, megapixels: float) -> None:
    """3:2, with edges and grain, made in bands."""
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
    rng = np.random.default_rng(0)
    grid = Image.fromarray(rng.integers(0, 256, (96, 144, 3), dtype=np.uint8))
    image = grid.resize((height * 3 // 2, height), Image.Resampling.BICUBIC)
    image.save(path, quality=90)


def measure(folder: Path, arguments: argparse.Namespace, memory_mb: int) -> dict[str, float]:
    """Ingest and stylize the photo in `folder`; MB of memory, seconds of CPU time."""
    from pipelines.config import ComputeConfig, RunConfig
    from pipelines.ingest import ingest
    from pipelines.runs import open_run
    from pipelines.scored import stylize_scored
    from pipelines.styles import find_style, load_stylepack
    from pipelines.stylize import one_thread, stylize

    config = RunConfig(
        photos=str(folder / "photos"),
        style=arguments.style,
        out=str(folder / "RUN"),
        precision=arguments.precision,
        memory_mb=memory_mb,
    )
    run = open_run(config, load_stylepack(find_style(arguments.style, None)))
    serial = ComputeConfig(workers=0)
    loaded_mb = _resident_mb()
    with one_thread():
        ingest(run, serial)
        before = time.process_time()
        summary = (stylize_scored if arguments.scored else stylize)(run, serial)
    seconds = time.process_time() - before
    if summary.done != 1 or summary.rejected or summary.failed:
        raise RuntimeError(f"the photo was not stylized: {summary}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"loaded_mb": loaded_mb, "peak_mb": peak_mb, "cpu_s": seconds}


def _resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


def _run_case(arguments: argparse.Namespace, megapixels: float, memory_mb: int) -> dict[str, float]:
    from pipelines.preloading import WORKER_ENVIRONMENT

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "photos").mkdir()
        make_photo(Path(folder) / "photos" / "large.jpg", megapixels)
        options = ("--memory-mb", str(memory_mb), "--style", arguments.style)
        precision = ("--precision", arguments.precision)
        scored = ("--scored",) if arguments.scored else ()
        done = subprocess.run(
            [sys.executable, *_WORKER, folder, *options, *precision, *scored],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | WORKER_ENVIRONMENT | {"OMP_NUM_THREADS": "1"},
        )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _needed_mb(arguments: argparse.Namespace, megapixels: float) -> float:
    """Of the whole network on so many pixels: its activations, and a third beside them."""
    from ganst.inference import Stylizer
    from ganst.models.stylepack import load_generator, load_stylepack
    from pipelines.styles import find_style

    pack = load_stylepack(find_style(arguments.style, None))
    stylizer = Stylizer(load_generator(pack, "final"), arguments.precision)
    return stylizer.activation_bytes(1000, round(1000 * megapixels)) * 4 / 3 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="*", default=[12, 100])
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument(
        "--ways", nargs="*", choices=["strips", "whole"], default=["strips", "whole"]
    )
    parser.add_argument("--strips-mb", type=int, default=512)
    parser.add_argument("--scored", action="store_true")
    parser.add_argument("--memory-mb", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments, arguments.memory_mb)), flush=True)
        os._exit(0)  # as a worker ends: taking torch down may abort a process that has done all
    print(f"{arguments.style}, {arguments.precision}, one thread, JPEG in and out")
    for megapixels in arguments.megapixels:
        for way in arguments.ways:
            needed = _needed_mb(arguments, megapixels) if way == "whole" else 0
            free = psutil.virtual_memory().available / 1e6
            name = f"{megapixels:5g} MP {way:7}"
            if needed > free:
                print(f"{name} skipped: takes {needed:.0f} MB, {free:.0f} MB are free", flush=True)
                continue
            memory_mb = _WHOLE_MB if way == "whole" else arguments.strips_mb
            found = _run_case(arguments, megapixels, memory_mb)
            print(
                f"{name} peak {found['peak_mb']:7.0f} MB (Python and torch"
                f" {found['loaded_mb']:.0f}), stylize {found['cpu_s']:7.2f} s CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
