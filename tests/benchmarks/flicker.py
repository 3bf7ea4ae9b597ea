"""How much outputs flicker: the part of `video.py` that makes no run.

Beside the manners of stylizing stands one that cannot flicker: the photo stylized once, and the camera
moved over that picture as it is over the photo. What the columns find there is strokes that move with
what they are painted on: `v_shimmer` takes a sky for still whose strokes go by. Made clips therefore
have a third number, which no part of the product computes: how much an output changes from frame to
frame after it was moved on exactly as the camera was (warping error, Lai et al. 2018).
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from upath import UPath

from ganst.evaluation import feature_scale, image_features, kernel_distance, style_gain
from ganst.models.stylepack import StylePack
from ganst.precision import choose_precision
from ganst.video.flicker import COLUMNS, FlickerMeter
from ganst.video.shot import Piece, ShotStylizer, Steadiness
from pipelines.styles import open_stylizer
from pipelines.video.frames import FrameReader
from pipelines.video.reading import open_clip
from pipelines.video.scan import scan_clip
from tests.benchmarks.made_video import (
    KINDS,
    RATE,
    SHOT_S,
    enlarged,
    frames_of,
    list_photos,
    moved_on,
    size_of,
    view,
)

_SHOT_FRAMES = 50  # of each shot
_ALONE = "each for itself"
_MANNERS = {
    _ALONE: Steadiness(sharing=None, blending=None),
    "shared": Steadiness(blending=None),
    "blended": Steadiness(sharing=None),
    "both": Steadiness(),
}
_MOVED = "one output, moved"
Outputs = dict[str, list[list[Tensor]]]  # by manner, then by shot


def print_flicker(arguments: argparse.Namespace, pack: StylePack, _folder: Path) -> None:
    """Tables of the made clips and of each real one."""
    numbers = range(arguments.shots)
    shots = [list(_some_frames(arguments, number)) for number in numbers]
    outputs = _stylized(shots, pack) | {
        _MOVED: [list(_moved(arguments, pack, number)) for number in numbers]
    }
    _print_manners("made clips", shots, outputs, arguments.paintings)
    _print_kinds(shots, outputs)
    _print_changes(outputs, [_photo(arguments, number) for number in numbers])
    for clip in arguments.clips:
        shots = _real_shots(clip)
        _print_manners(clip.name, shots, _stylized(shots, pack), arguments.paintings)


def _print_manners(name: str, shots: list[list[Tensor]], outputs: Outputs, paintings: Path) -> None:
    """A line a manner: columns, their ratio to each frame for itself, style gain."""
    targets = image_features([_open(path) for path in list_photos(paintings)])
    sources = image_features([_middle(shot) for shot in shots])
    is_telling = len(shots) >= 3  # so many images a kernel distance needs
    base = _columns(shots, outputs[_ALONE]).mean(axis=0)
    print(f"  {name}: {len(shots)} shots, {sum(map(len, shots))} frames")
    for manner, made in outputs.items():
        found = _columns(shots, made).mean(axis=0)
        said = ", ".join(
            f"{column} {value:.3f} ({value / max(usual, 1e-9):.2f} x)"
            for column, value, usual in zip(COLUMNS[:3], found, base, strict=False)
        )
        middles = [_middle(shot) for shot in made]
        gain = f", style gain {_gain(sources, middles, targets):.4f}" if is_telling else ""
        print(f"    {manner:17} {said}{gain}")


def _print_kinds(shots: list[list[Tensor]], outputs: Outputs) -> None:
    """`v_flicker` and `v_shimmer` by how the camera moves."""
    found = {manner: _columns(shots, made)[:, :2] for manner, made in outputs.items()}
    for kind in range(min(len(KINDS), len(shots))):
        said = ", ".join(
            f"{manner} {' / '.join(f'{x:.2f}' for x in columns[kind :: len(KINDS)].mean(axis=0))}"
            for manner, columns in found.items()
        )
        print(f"    {KINDS[kind]:9} {said}")


def _print_changes(outputs: Outputs, photos: list[Tensor]) -> None:
    """Levels from frame to frame along the camera's way, by how it moves, and of all shots."""
    found = {
        manner: np.array([_change(shot, photos[n], KINDS[n % len(KINDS)]) for n, shot in shots])
        for manner, shots in ((name, list(enumerate(made))) for name, made in outputs.items())
    }
    for manner, changes in found.items():
        kinds = ", ".join(
            f"{kind} {changes[n :: len(KINDS)].mean():.2f}" for n, kind in enumerate(KINDS)
        )
        ratio = changes.mean() / found[_ALONE].mean()
        print(f"    {manner:17} along the way {changes.mean():.2f} ({ratio:.2f} x): {kinds}")


def _change(shot: list[Tensor], photo: Tensor, kind: str) -> float:
    changes = []
    for position, (frame, after) in enumerate(pairwise(shot)):
        moved, known = moved_on(frame, photo, kind, position)
        changes.append(float((after.float() - moved).abs().mean(dim=0)[known].mean()))
    return float(np.mean(changes))


def _photo(arguments: argparse.Namespace, number: int) -> Tensor:
    photos = list_photos(arguments.photos)
    return enlarged(photos[number % len(photos)], size_of(arguments.size))


def _stylized(shots: list[list[Tensor]], pack: StylePack) -> Outputs:
    stylizer = open_stylizer(str(pack.path), pack.digest, "final", choose_precision(), 1.0)
    return {
        manner: [
            list(
                ShotStylizer(stylizer, steadiness).stylize(
                    iter(shot), Piece(start=0, stop=len(shot), length=len(shot))
                )
            )
            for shot in shots
        ]
        for manner, steadiness in _MANNERS.items()
    }


@torch.inference_mode()
def _moved(arguments: argparse.Namespace, pack: StylePack, number: int) -> Iterator[Tensor]:
    size = size_of(arguments.size)
    stylizer = open_stylizer(str(pack.path), pack.digest, "final", choose_precision(), 1.0)
    photo = _photo(arguments, number)[0].round().clamp(0, 255)
    (styled,) = stylizer.stylize([photo.to(torch.uint8)])
    for position in range(_SHOT_FRAMES):
        frame = view(styled.float()[None], size, KINDS[number % len(KINDS)], position)
        yield frame.round().clamp(0, 255).to(torch.uint8)


def _columns(shots: list[list[Tensor]], outputs: list[list[Tensor]]) -> np.ndarray:
    """`[shots, columns]`."""
    rows = []
    for shot, made in zip(shots, outputs, strict=True):
        meter = FlickerMeter(RATE)
        for source, output in zip(shot, made, strict=True):
            meter.add(source, output)
        rows.append([meter.columns()[column] for column in COLUMNS])
    return np.array(rows)


def _gain(sources: Tensor, middles: list[Tensor], paintings: Tensor) -> float:
    scale = feature_scale(sources, paintings)
    before = kernel_distance(sources, paintings, scale).value
    after = kernel_distance(image_features(middles), paintings, scale).value
    return style_gain(before, after)


def _middle(shot: list[Tensor]) -> Tensor:
    return shot[len(shot) // 2]


def _some_frames(arguments: argparse.Namespace, number: int) -> Iterator[Tensor]:
    """Frames of a shot of its own kind and photo, as after H.264."""
    photos = list_photos(arguments.photos)
    before = number * SHOT_S * RATE
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        wanted = range(before, before + _SHOT_FRAMES)
        frames = frames_of(photos, wanted.stop, size_of(arguments.size), wanted.start)
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
    plan = scan_clip(UPath(clip), "MP4", None)
    shots = []
    for number in range(len(plan.shots)):
        frames = plan.shot(number)
        with open_clip(UPath(clip), "MP4") as container:
            stop = min(frames.stop, frames.start + _SHOT_FRAMES)
            shots.append(list(FrameReader(container, plan).frames(frames.start, stop)))
    return shots


def _open(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
