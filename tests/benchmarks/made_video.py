"""Clips made of photos, for benchmarks: pans, zooms and still shots with hard cuts, a beep at every cut.

python tests/benchmarks/made_video.py PHOTOS OUT.mp4 --seconds 60 --size 720x360
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

RATE = 25
SHOT_S = 4
SOUND_RATE = 44_100
_SPEED = 2.0  # pixels a frame, of a pan
_ZOOM = 0.004  # of the picture a frame
_NOISE = 1.5  # levels: of a sensor
_BEEP_S = 0.1
KINDS = ("pan right", "zoom in", "still", "pan down", "zoom out")


def main() -> None:
    """Write one clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--size", default="720x360")
    arguments = parser.parse_args()
    size = size_of(arguments.size)
    make_clip(arguments.out, list_photos(arguments.photos), arguments.seconds, size)


def size_of(text: str) -> tuple[int, int]:
    """W x H as (H, W)."""
    width, height = map(int, text.split("x"))
    return height, width


def list_photos(folder: Path) -> list[Path]:
    """The photos of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))


def make_clip(path: Path, photos: list[Path], seconds: float, size: tuple[int, int]) -> Path:
    """Write `seconds` of shots of `SHOT_S`, one a photo, with sound; `size` is (H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for number, frame in enumerate(frames_of(photos, round(seconds * RATE), size)):
            picture = av.VideoFrame.from_ndarray(frame.permute(1, 2, 0).numpy(), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for samples in _beeps(seconds):
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    return path


def frames_of(
    photos: list[Path], num_frames: int, size: tuple[int, int], first: int = 0
) -> Iterator[Tensor]:
    """Frames uint8 `[3, H, W]` from the beginning of the shot `first` is in; one photo is in memory."""
    generator = torch.Generator().manual_seed(0)
    length = SHOT_S * RATE
    for start in range(first // length * length, num_frames, length):
        number = start // length
        large = enlarged(photos[number % len(photos)], size)
        kind = KINDS[number % len(KINDS)]
        for position in range(min(length, num_frames - start)):
            frame = view(large, size, kind, position)
            noisy = frame + _NOISE * torch.randn(frame.shape, generator=generator)
            yield noisy.round().clamp(0, 255).to(torch.uint8)


def enlarged(path: Path, size: tuple[int, int]) -> Tensor:
    """The photo `[1, 3, h, w]` large enough for a pan over `SHOT_S`."""
    image = Image.open(path).convert("RGB")
    margin = _SPEED * SHOT_S * RATE
    scale = max((size[0] + margin) / image.height, (size[1] + margin) / image.width)
    sides = round(image.width * scale), round(image.height * scale)
    resized = image.resize(sides, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(resized, np.float32).copy()).permute(2, 0, 1)[None]


def view(large: Tensor, size: tuple[int, int], kind: str, position: int) -> Tensor:
    """A window `[3, H, W]` of the photo, resampled: movement by parts of a pixel."""
    window = _window(large, size, kind, position)
    grid = F.affine_grid(window[None], [1, 3, *size], align_corners=False)
    return F.grid_sample(
        large, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )[0]


def moved_on(frame: Tensor, large: Tensor, kind: str, position: int) -> tuple[Tensor, Tensor]:
    """What a frame `[3, H, W]` shows, where the next one has it, and where that is known `[H, W]`."""
    size = (frame.shape[1], frame.shape[2])
    here, there = (_window(large, size, kind, p) for p in (position, position + 1))
    scale = there.diagonal() / here.diagonal()
    shift = (there[:, 2] - here[:, 2]) / here.diagonal()
    back = torch.cat([scale.diag(), shift[:, None]], dim=1)
    grid = F.affine_grid(back[None], [1, 3, *size], align_corners=False)
    moved = F.grid_sample(frame.float()[None], grid, mode="bicubic", align_corners=False)[0]
    return moved, (grid[0].abs() < 1 - 4 / min(size)).all(dim=-1)


def _window(large: Tensor, size: tuple[int, int], kind: str, position: int) -> Tensor:
    """From places in a frame to those in the photo, (right, down) in -1..1 both: `[2, 3]`."""
    tall, wide = large.shape[2:]
    way = _SPEED * (position - SHOT_S * RATE / 2)
    x, y = {"pan right": (way, 0.0), "pan down": (0.0, way)}.get(kind, (0.0, 0.0))
    steps = {"zoom in": position, "zoom out": SHOT_S * RATE - position}.get(kind, 0)
    zoom = 1 + _ZOOM * steps
    across, down = size[1] / wide / zoom, size[0] / tall / zoom
    return torch.tensor([[across, 0.0, 2 * x / wide], [0.0, down, 2 * y / tall]])


def _beeps(seconds: float) -> Iterator[av.AudioFrame]:
    """Silence, and a beep at the beginning of every shot."""
    step = 1024
    for start in range(0, int(seconds * SOUND_RATE) - step, step):
        time_s = (start + np.arange(step)) / SOUND_RATE
        wave = 0.3 * np.sin(2 * np.pi * 880 * time_s) * (time_s % SHOT_S < _BEEP_S)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        yield frame


if __name__ == "__main__":
    main()
