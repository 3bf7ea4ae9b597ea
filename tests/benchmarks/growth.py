"""Does a photo cost more in a larger job? Ingest, stylize and report with a model that does nothing.

    python -m tests.benchmarks.growth [--sizes 1000,10000,100000] [--workers 2] [--scored]

For each size, in a process of its own: CPU time and wall time per photo (driver and workers), by how
much the driver's memory peaked over what it was after a run of a hundred photos (so that imports and
first uses do not count), and the time of a second command that finds everything done. Ratios are to
the first size. Photos are hard links to a few tiny JPEG files under different names.

`--workers 0` starts no workers: shards are committed at once with made-up rows, all else is real. It
tells the driver's memory in a few seconds; its times mean nothing. `--scored` makes up scores, too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_DISTINCT = 97
_PER_FOLDER = 1000
_WARM_UP = 100
_SAMPLE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one size; per photo in ms, memory in MB, the second command in s."""

    photos: int
    cpu_ms: float
    wall_ms: float
    driver_mb: float
    peaks_mb: dict[str, float]  # the same of each stage
    again_cpu_s: float
    again_wall_s: float


class _Unchanged:
    """A stylizer that gives back what it gets."""

    def stylize(self, images):  # noqa: ANN202
        return images


def stylize_unchanged(shard, job, companion=None):
    """The stage's own shard function around a model that does nothing."""
    from pipelines import stylizing as stage

    setattr(stage, "open_stylizer", lambda *_args: _Unchanged())  # noqa: B010 typed otherwise
    return stage.stylize_shard(
        shard, job, companion
    )  # the real one: only the driver has it replaced


def make_photos(folder: Path, num: int) -> None:
    """`num` links in folders of a thousand."""
    from tests.pipelines.photo_folders import smooth

    originals = folder.parent / "originals"
    originals.mkdir(exist_ok=True)
    for index in range(_DISTINCT):
        smooth(16, 12, seed=index).save(originals / f"{index}.jpg", quality=80)
    for index in range(num):
        place = folder / f"{index // _PER_FOLDER:04}" / f"{index:07}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals / f"{index % _DISTINCT}.jpg", place)


def measure(folder: Path, workers: int, *, is_scored: bool = False) -> Cost:
    """First and second command on the photos of `folder`."""
    from pipelines import collection
    from pipelines import stylize as stage
    from pipelines.cluster import shared_cluster
    from pipelines.config import ComputeConfig
    from pipelines.ingest import ingest
    from pipelines.report import write_report
    from tests.benchmarks import made_shards
    from tests.pipelines.photo_folders import make_run, make_style

    shard_fn = stylize_unchanged if workers else made_shards.stylize_made_up
    setattr(stage, "stylize_shard", shard_fn)  # noqa: B010 typed otherwise
    if not workers:
        collection.ingest_shard = made_shards.ingest_made_up
    companion = made_shards.MadeUpScores() if is_scored else None
    pack = make_style(folder / "styles")
    process = psutil.Process()

    def work(photos: Path, out: Path) -> tuple[int, dict[str, float]]:
        run, before = make_run(photos, out, pack), process.memory_info().rss
        summaries, peaks = [], {}
        for name, step in (
            ("ingest", lambda: summaries.append(ingest(run, compute))),
            ("stylize", lambda: summaries.append(stage.stylize(run, compute, None, companion))),
            ("report", lambda: write_report(run, summaries)),
        ):
            with peak_of(process, before) as grown:
                step()
            peaks[name] = grown[0] / 1e6
        return summaries[0].total, peaks

    with shared_cluster(ComputeConfig(workers=workers)) as compute:
        work(folder / "few", folder / "FEW")
        cpu, wall = _cpu_s(process), time.monotonic()
        photos, peaks = work(folder / "photos", folder / "RUN")
        cpu, wall = _cpu_s(process) - cpu, time.monotonic() - wall
    cpu_again, wall_again = time.process_time(), time.monotonic()
    work(folder / "photos", folder / "RUN")
    return Cost(
        photos=photos,
        cpu_ms=1000 * cpu / photos,
        wall_ms=1000 * wall / photos,
        driver_mb=max(peaks.values()),
        peaks_mb=peaks,
        again_cpu_s=time.process_time() - cpu_again,
        again_wall_s=time.monotonic() - wall_again,
    )


@contextmanager
def peak_of(process: psutil.Process, before: int) -> Iterator[list[int]]:
    """In the list: bytes by which its memory peaked in the block over what it was `before`."""
    grown, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(_SAMPLE_S):
            grown[0] = max(grown[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield grown
    finally:
        is_over.set()
        thread.join()


def _cpu_s(process: psutil.Process) -> float:
    """Of the driver and its workers, which live as long as the cluster."""
    family = [process, *process.children(recursive=True)]
    times = [member.cpu_times() for member in family]
    return sum(each.user + each.system for each in times)


def _measure_size(num: int, workers: int, options: list[str]) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder) / "photos", num)
        make_photos(Path(folder) / "few", _WARM_UP)
        command = [sys.executable, "-m", "tests.benchmarks.growth", "--in", folder]
        answer = subprocess.run(
            [*command, "--workers", str(workers), *options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return Cost(**json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scored", action="store_true", help="with --workers 0: scores, too")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        # Workers must find the shard function in a module of its own name.
        from tests.benchmarks import growth

        print(
            json.dumps(asdict(growth.measure(given.folder, given.workers, is_scored=given.scored)))
        )
        return
    if given.scored and given.workers:
        parser.error("--scored: scores are made up with --workers 0 only")
    costs: list[Cost] = []
    options = ["--scored"] if given.scored else []
    for size in given.sizes.split(","):
        costs.append(_measure_size(int(size), given.workers, options))
        cost, first = costs[-1], costs[0]
        print(
            f"{cost.photos:>7} photos: {cost.cpu_ms:.2f} ms CPU a photo"
            f" ({cost.cpu_ms / first.cpu_ms:.2f} x), {cost.wall_ms:.2f} ms wall"
            f" ({cost.wall_ms / first.wall_ms:.2f} x), driver +{cost.driver_mb:.0f} MB"
            f" ({', '.join(f'{name} {mb:.0f}' for name, mb in cost.peaks_mb.items())});"
            f" again: {cost.again_cpu_s:.1f} s CPU, {cost.again_wall_s:.1f} s wall",
            flush=True,
        )


if __name__ == "__main__":
    main()
