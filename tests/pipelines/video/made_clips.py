"""Small clips for the tests, encoded here: shots of drifting pictures, sound, odd timing."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

RATE = 25
SOUND_RATE = 44_100


def shot(num_frames: int, *, seed: int = 0, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """A picture that drifts: uint8 `[H, W, 3]` frames."""
    rng = np.random.default_rng(seed)
    width, height = size
    coarse = Image.fromarray(rng.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    large = np.asarray(coarse.resize((width + num_frames, height), Image.Resampling.BICUBIC))
    return [np.ascontiguousarray(large[:, n : n + width]) for n in range(num_frames)]


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    sound: bool = False,
    subtitle: bool = False,
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
    keys_every: int = 10,
    faststart: bool = False,
    full_range: bool | None = None,
    drop_packets: bool = False,
    trimmed_s: float = 0.0,
    labelled: bool = False,
    fasten: Callable[[Any], object] = bool,
) -> Path:
    """Encode frames; `pts` in units of 1/25 s. `trimmed_s`: hidden at the beginning by an edit list.

    `fasten`: what adds covers and the like.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.gop_size = pixels, keys_every
        stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        if full_range is not None:
            stream.codec_context.color_range = 2 if full_range else 1
        tone = container.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound else None
        spoken = _spoken(path.with_suffix(".srt")) if subtitle else None
        words = container.add_stream_from_template(spoken.streams[0]) if spoken else None
        if labelled:
            label(container, tone)
        fasten(container)
        container.start_encoding()
        for packet in () if drop_packets else _encoded(stream, frames, pts):
            off = round(trimmed_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - off, packet.dts - off
            container.mux(packet)
        if tone:
            add_tone(container, tone, len(frames) / RATE)
        for packet in spoken.demux(spoken.streams[0]) if spoken else ():
            packet.stream = words
            if packet.size:
                container.mux(packet)
    return path


def _encoded(
    stream: Any,  # noqa: ANN401 PyAV's
    frames: Sequence[np.ndarray],
    pts: Sequence[int] | None,
) -> Iterator[Any]:
    levels = stream.codec_context.color_range
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if levels:
            frame = frame.reformat(format=stream.pix_fmt, dst_color_range=levels)
        frame.pts = pts[number] if pts else number
        frame.time_base = Fraction(1, RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def label(container: Any, tone: Any) -> None:  # noqa: ANN401 PyAV's
    """A title, a place, a language, two chapters."""
    container.metadata.update({"title": "A walk", "location": "+52.5-013.4/"})
    tone.metadata["language"] = "ita"
    unit = Fraction(1, 1000)
    container.set_chapters(
        [
            {
                "id": n,
                "start": 1000 * n,
                "end": 1000 * n + 1000,
                "time_base": unit,
                "metadata": {"title": t},
            }
            for n, t in enumerate(("One", "Two"))
        ]
    )


def write_growing(path: Path, small: Sequence[np.ndarray], large: Sequence[np.ndarray]) -> None:
    """A clip whose frames become larger: two clips in one stream."""
    parts = [write_clip(path.with_suffix(f".{n}.mp4"), fs) for n, fs in enumerate((small, large))]
    with av.open(str(path), "w") as out:
        stream: Any = None
        number = 0
        for part in parts:
            with av.open(str(part)) as container:
                inside = av.BitStreamFilterContext("h264_mp4toannexb", container.streams.video[0])
                stream = stream or out.add_stream_from_template(container.streams.video[0])
                for packet in container.demux(video=0):
                    for plain in inside.filter(packet) if packet.size else ():
                        plain.stream, plain.time_base = stream, Fraction(1, RATE)
                        plain.pts = plain.dts = number
                        number += 1
                        out.mux(plain)
            part.unlink()


def pixels_of(path: Path) -> list[torch.Tensor]:
    """All frames of a clip, uint8 `[3, H, W]`."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [torch.from_numpy(frame.transpose(2, 0, 1).copy()) for frame in frames]


def packets_of(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Time in seconds and bytes of every packet of the streams of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in (container.demux(streams) if streams else ())
            if packet.size and packet.pts is not None and packet.time_base
        ]


def times_of(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def add_tone(container: Any, stream: Any, seconds: float) -> None:  # noqa: ANN401 PyAV's
    """A beep."""
    wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE)
    for start in range(0, len(wave) - 1024, 1024):
        samples = (0.3 * wave[start : start + 1024]).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _spoken(path: Path) -> Any:  # noqa: ANN401 PyAV's
    path.write_text("1\n00:00:00,200 --> 00:00:00,600\nHello\n\n")
    try:
        return av.open(str(path), format="srt")
    finally:
        path.unlink()
