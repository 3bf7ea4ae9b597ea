"""How near is the stage to the limit? Images/s of stylize, of the bare network, and of a plain loop.

    python tests/benchmarks/stylize.py [--photos 64] [--size 720x360] [--style vangogh] [--rounds 5]

Same photos, same weights, same number of cores. The bare network runs on prepared tensors in the
precision of the stage, one thread a worker. The plain loop is that of the public CycleGAN test
script: fp32, one image at a time, PIL in and out. Medians over rounds in which the three alternate.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from distributed import Client
from PIL import Image

from ganst.models.stylepack import StylePack, load_generator, load_stylepack
from ganst.precision import choose_precision
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig, RunConfig
from pipelines.doctor import examine
from pipelines.ingest import ingest
from pipelines.runs import open_run
from pipelines.styles import find_style, open_stylizer
from pipelines.stylize import stylize


def main() -> None:
    """Print one line a way, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--size", default="720x360")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    pack = load_stylepack(find_style(arguments.style, None))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", arguments.photos, (width, height))
        speeds = measure(pack, folder, (width, height), arguments.workers, arguments.rounds)
    facts = examine(Path.cwd(), Path.cwd())
    print(f"{facts['devices'][0]}, {facts['packages']}")
    print(
        f"{arguments.photos} photos of {arguments.size}, style {pack.name}, {choose_precision()},"
    )
    print(f"{arguments.workers} workers, medians of {arguments.rounds} rounds, images/s:")
    for way, values in speeds.items():
        print(
            f"  {way:8} {statistics.median(values):8.2f}  {[round(value, 2) for value in values]}"
        )
    stage, bare, loop = (statistics.median(speeds[way]) for way in ("stage", "bare", "loop"))
    print(f"stage / bare {stage / bare:.3f}, stage / loop {stage / loop:.2f}")


def make_photos(folder: Path, num: int, size: tuple[int, int]) -> None:
    """Pictures with edges and grain: JPEG of a flat colour would cost nothing."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(num):
        grid = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        grid.resize(size, Image.Resampling.BICUBIC).save(folder / f"{i:05d}.jpg", quality=92)


def measure(
    pack: StylePack, folder: Path, size: tuple[int, int], workers: int, rounds: int
) -> dict[str, list[float]]:
    """Images/s of each way, a value a round; a first round to warm up is not counted."""
    num = len(list((folder / "photos").iterdir()))
    speeds: dict[str, list[float]] = {"stage": [], "bare": [], "loop": []}
    with shared_cluster(ComputeConfig(workers=workers)) as compute, Client(compute.scheduler) as to:
        for number in range(rounds + 1):
            ways = {
                "stage": lambda: run_stage(pack, folder, f"RUN{number}", compute),  # noqa: B023
                "bare": lambda: run_bare(pack, num, size, workers, to),
                "loop": lambda: run_loop(pack, folder, workers),
            }
            for way, run in ways.items():
                speed = num / run()
                if number:
                    speeds[way].append(speed)
    return speeds


def run_stage(pack: StylePack, folder: Path, name: str, compute: ComputeConfig) -> float:
    """Seconds of the stylize stage, its images on disk."""
    config = RunConfig(photos=str(folder / "photos"), style=str(pack.path), out=str(folder / name))
    run = open_run(config, pack)
    ingest(run, compute)
    before = time.perf_counter()
    summary = stylize(run, compute)
    spent = time.perf_counter() - before
    assert not summary.failed
    return spent


def run_bare(pack: StylePack, num: int, size: tuple[int, int], workers: int, to: Client) -> float:
    """Seconds of the network alone, on every worker the share of `num` images."""
    before = time.perf_counter()
    shares = [num * (i + 1) // workers - num * i // workers for i in range(workers)]
    futures = [to.submit(forward, str(pack.path), pack.digest, n, size, pure=False) for n in shares]
    to.gather(futures)
    return time.perf_counter() - before


def forward(path: str, digest: str, num: int, size: tuple[int, int]) -> None:
    """The network on `num` prepared images, one thread."""
    torch.set_num_threads(1)
    stylizer = open_stylizer(path, digest, "final", choose_precision(), 1.0)
    x = torch.zeros(1, 3, size[1], size[0], dtype=stylizer.dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(num):
            stylizer.generator(x)


def run_loop(pack: StylePack, folder: Path, cores: int) -> float:
    """Seconds of a loop over the files: open, network in fp32, save."""
    out = folder / "loop"
    out.mkdir(exist_ok=True)
    torch.set_num_threads(cores)
    generator = load_generator(pack, "final").eval()
    before = time.perf_counter()
    for path in sorted((folder / "photos").iterdir()):
        photo = np.asarray(Image.open(path).convert("RGB"))
        x = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            y = generator(x)[0]
        image = ((y + 1) / 2 * 255).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(image).save(out / path.name, quality=95, subsampling=0)
    return time.perf_counter() - before


if __name__ == "__main__":
    main()
