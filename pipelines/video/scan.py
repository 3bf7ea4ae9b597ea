"""Look through a clip once: is it whole, when is each frame shown, where are the cuts."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av
from av.filter import Graph
from upath import UPath

from pipelines.errors import UndecodableImageError
from pipelines.video.plan import ClipPlan, plan_segments
from pipelines.video.reading import (
    decode_pictures,
    is_full_range,
    matrix_of,
    open_clip,
    rate_of,
    rotation_of,
    upright_size,
    video_stream,
)

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_CUT_SCORE = 10  # of FFmpeg's scdet, 0..100: its default
_CUT_LINES = 180  # frames are compared at this height
_SHORTEST_SHOT = 6  # frames; a flash is no shot


def look_at_clip(path: UPath, format_name: str, max_pixels: int) -> tuple[int, int, float]:
    """Upright width and height, and seconds, of a clip whose first frame could be decoded.

    Raises:
        UndecodableImageError: It is no clip, or none that can be stylized; one sentence says why.

    """
    with open_clip(path, format_name) as container:
        stream = video_stream(container)
        coded = stream.codec_context
        if coded.width * coded.height > max_pixels:
            raise UndecodableImageError(
                f"A frame of {coded.width} x {coded.height} has more than the allowed {max_pixels} pixels."
            )
        first = next(decode_pictures(container, stream), None)
        if first is None:
            raise UndecodableImageError("Its video stream has no frame.")
        return *upright_size(first.frame), float((container.duration or 0) / av.time_base)


def count_frames(path: UPath, format_name: str, at_most: int) -> int:
    """How many frames can be decoded, up to `at_most`."""
    with open_clip(path, format_name) as container:
        pictures = decode_pictures(container, video_stream(container))
        return sum(1 for _ in zip(range(at_most), pictures, strict=False))


def scan_clip(path: UPath, format_name: str, max_side: int | None) -> ClipPlan:
    """Decode the whole clip, keeping no frame, and plan the work on it.

    Raises:
        UndecodableImageError: It is damaged, cut off, or changes its size on the way.

    """
    with open_clip(path, format_name) as container:
        stream = video_stream(container)
        raw_pts: list[int] = []
        keys: list[int] = []
        cuts = [0]
        first: Any = None
        detector = _CutDetector(stream)
        for number, picture in enumerate(decode_pictures(container, stream)):
            frame = picture.frame
            first = first or frame
            _check_size(first, frame, number)
            raw_pts.append(picture.pts)
            if frame.key_frame:
                keys.append(number)
            if detector.is_cut(frame) and number - cuts[-1] >= _SHORTEST_SHOT:
                cuts.append(number)
        if first is None:
            raise UndecodableImageError("Its video stream has no frame.")
        _check_length(stream, len(raw_pts))
        width, height = _output_size(upright_size(first), max_side)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        upright = 1 / aspect if rotation_of(first) % 180 and aspect else aspect
        return ClipPlan(
            width=width,
            height=height,
            time_base=_pair(stream.time_base or Fraction(1, 1000)),
            rate=_pair(rate_of(stream)),
            aspect=_pair(upright or Fraction(1)),
            marks=_marks(first),
            pts=tuple(_rising(raw_pts)),
            raw_pts=tuple(raw_pts),
            keys=tuple(keys),
            shots=tuple(cuts),
            segments=plan_segments(cuts, len(raw_pts), keys),
        )


class _CutDetector:
    """FFmpeg's scdet on small copies of the frames."""

    def __init__(self, stream: "VideoStream") -> None:
        self._graph = Graph()
        steps = [
            self._graph.add_buffer(template=stream),
            self._graph.add("scale", f"-2:{_CUT_LINES}"),
            self._graph.add("scdet", f"threshold={_CUT_SCORE}"),
            self._graph.add("buffersink"),
        ]
        for before, behind in pairwise(steps):
            before.link_to(behind)
        self._graph.configure()

    def is_cut(self, frame: Any) -> bool:  # noqa: ANN401 av.VideoFrame
        """Whether a shot begins with this frame, the next one of the clip."""
        self._graph.push(frame)
        return "lavfi.scd.time" in self._graph.pull().metadata


def _check_size(first: Any, frame: Any, number: int) -> None:  # noqa: ANN401 av.VideoFrame
    if (frame.width, frame.height) != (first.width, first.height):
        raise UndecodableImageError(
            f"The size changes from {first.width} x {first.height} to {frame.width} x {frame.height}"
            f" at frame {number}."
        )


def _check_length(stream: "VideoStream", found: int) -> None:
    promised = stream.frames  # 0 where the container does not say
    if found < 0.98 * promised - 1:
        raise UndecodableImageError(f"It is cut off: {found} of {promised} frames are there.")


def _output_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size)) if max_side else 1.0
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _marks(frame: Any) -> dict[str, int]:  # noqa: ANN401 av.VideoFrame
    return {
        "matrix": int(matrix_of(frame)),
        "colorspace": int(frame.colorspace),
        "full_range": int(is_full_range(frame)),
        "color_primaries": int(frame.color_primaries),
        "color_trc": int(frame.color_trc),
    }


def _rising(raw: Sequence[int]) -> Iterator[int]:
    last: int | None = None
    for value in raw:
        last = value if last is None else max(value, last + 1)
        yield last


def _pair(value: Fraction) -> tuple[int, int]:
    return value.numerator, value.denominator
