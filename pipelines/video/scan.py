"""Look through a clip once: is it whole, when is each frame shown, where are the cuts."""

import re
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
    colorspace_of,
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
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CUT_SCORE = 10  # of FFmpeg's scdet, 0..100: its default
_CUT_LINES = 180  # frames are compared at this height
_TOLERATED_SHARE, _TOLERATED_S = 0.03, 0.5  # of the length that the header promises
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
        last: Any = None
        detector = _CutDetector(stream)
        for number, picture in enumerate(decode_pictures(container, stream)):
            frame = picture.frame
            first, last = first or frame, frame
            _check_size(first, frame, number)
            raw_pts.append(picture.pts)
            if frame.key_frame:
                keys.append(number)
            if detector.is_cut(frame) and number - cuts[-1] >= _SHORTEST_SHOT:
                cuts.append(number)
        if first is None:
            raise UndecodableImageError("Its video stream has no frame.")
        pts = tuple(_rising(raw_pts))
        final = int(last.duration or 0) or _usual_duration(stream)
        _check_length(container, stream, pts[-1] + final)
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
            pts=pts,
            final_duration=final,
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


def _usual_duration(stream: "VideoStream") -> int:
    return max(1, round(1 / (rate_of(stream) * (stream.time_base or Fraction(1, 1000)))))


def _check_length(container: "InputContainer", stream: "VideoStream", end: int) -> None:
    """Refuse a clip that ends well before its header says; the count of frames there is no guide.

    A clip that was trimmed without encoding it anew still counts the frames that are not shown.
    """
    promised = _promised_s(container, stream)
    found = float(end * (stream.time_base or Fraction(1, 1000)))
    if found < (1 - _TOLERATED_SHARE) * promised - _TOLERATED_S:
        raise UndecodableImageError(
            f"It is cut off: of {promised:.1f} s the first {found:.1f} s are there."
        )


def _promised_s(container: "InputContainer", stream: "VideoStream") -> float:
    """How long the header says that the video is; 0 where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    said = stream.metadata.get("DURATION", "")  # Matroska's, e.g. 00:01:02.400000000
    if found := re.fullmatch(r"(\d+):(\d+):([\d.]+)", said):
        hours, minutes, seconds = found.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    is_alone = len(container.streams) == 1
    return (container.duration or 0) / av.time_base if is_alone else 0.0


def _output_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    scale = min(1.0, max_side / max(size)) if max_side else 1.0
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _marks(frame: Any) -> dict[str, int]:  # noqa: ANN401 av.VideoFrame
    return {
        "matrix": int(matrix_of(frame)),
        "colorspace": colorspace_of(frame),
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
