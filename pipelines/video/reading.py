"""Clips to frames, in a bounded amount of memory whatever their length.

Frames are uint8 `[3, H, W]`, RGB, upright. What cannot be decoded raises `UndecodableImageError` with one
sentence that does not name the file, as images do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from torch import Tensor
from upath import UPath

from pipelines.errors import UndecodableImageError
from pipelines.storage import is_local
from pipelines.video.signature import demuxer_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# FFmpeg's usual short cuts make every picture about a level darker, each way, and differ by machine.
EXACT = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)
_HD_LINES = 720  # from here on an unmarked clip is taken to be in Rec. 709
_ITU709, _ITU601 = 1, 6
_MATRICES = {  # by FFmpeg's number of what the stream is marked with
    _ITU709: Colorspace.ITU709,
    5: Colorspace.ITU601,
    _ITU601: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded frame: when it is shown, in the stream's time base, and its pixels."""

    pts: int
    frame: Any  # av.VideoFrame, untyped where av is a late import


@contextmanager
def open_clip(path: UPath, format_name: str) -> Iterator["InputContainer"]:
    """Open a clip, local or on a store; other files that it names are not followed.

    Raises:
        UndecodableImageError: It is no clip of that format.

    """
    place = str(path) if is_local(path) else path.open("rb")
    try:
        with _opened(place, format_name) as container:
            yield container
    finally:
        if not isinstance(place, str):
            place.close()


def _opened(place: Any, format_name: str) -> "InputContainer":  # noqa: ANN401 path or open file
    try:
        return av.open(place, "r", format=demuxer_of(format_name), metadata_errors="ignore")
    except (FileNotFoundError, PermissionError):
        raise
    except av.FFmpegError as error:
        raise UndecodableImageError(f"It cannot be read as a video: {reason_of(error)}.") from error


def video_stream(container: "InputContainer") -> "VideoStream":
    """The stream that is shown.

    Raises:
        UndecodableImageError: There is none, or its codec is not known.

    """
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        raise UndecodableImageError("It has no video stream.")
    stream = streams[0]
    if stream.codec_context is None:
        raise UndecodableImageError("The codec of its video stream is not known.")
    return stream


def decode_pictures(
    container: "InputContainer", stream: "VideoStream", from_pts: int | None = None
) -> Iterator[Picture]:
    """Frames in the order they are shown; `from_pts`: from that key frame on.

    Raises:
        UndecodableImageError: The stream is damaged.

    """
    count = 0
    try:
        if from_pts is not None:
            container.seek(from_pts, stream=stream, backward=True)
        for frame in container.decode(stream):
            pts = count if frame.pts is None else frame.pts
            count += 1
            if from_pts is None or pts >= from_pts:
                yield Picture(pts=pts, frame=frame)
    except av.FFmpegError as error:
        raise UndecodableImageError(
            f"It is damaged behind its frame {count}: {reason_of(error)}."
        ) from error


def upright_size(frame: Any) -> tuple[int, int]:  # noqa: ANN401 av.VideoFrame
    """Width and height as it is shown."""
    return (frame.height, frame.width) if rotation_of(frame) % 180 else (frame.width, frame.height)


def rotation_of(frame: Any) -> int:  # noqa: ANN401 av.VideoFrame
    """Degrees 0, 90, 180 or 270 by which a frame has to be turned counter-clockwise."""
    return round((frame.rotation or 0) / 90) * 90 % 360


def to_pixels(frame: Any, size: tuple[int, int]) -> Tensor:  # noqa: ANN401 av.VideoFrame
    """uint8 `[3, H, W]` of the upright `size` (width, height), RGB; a transparent frame loses its alpha."""
    turn = rotation_of(frame)
    width, height = reversed(size) if turn % 180 else size
    planar = frame.reformat(
        width=width,
        height=height,
        format="gbrp",
        src_colorspace=matrix_of(frame),
        interpolation=EXACT,
    )
    green, blue, red = (levels_of(plane) for plane in planar.planes)
    turned = np.rot90(np.stack([red, green, blue]), turn // 90, axes=(1, 2))
    return torch.from_numpy(np.ascontiguousarray(turned))


def levels_of(plane: Any) -> np.ndarray:  # noqa: ANN401 av.VideoPlane
    """A view, uint8 `[H, W]`: the lines of a plane may be longer than those of the picture."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width]


def matrix_of(frame: Any) -> Colorspace:  # noqa: ANN401 av.VideoFrame
    """The matrix between YUV and RGB: what the frame says, else what its height lets guess."""
    return _MATRICES[colorspace_of(frame)]


def colorspace_of(frame: Any) -> int:  # noqa: ANN401 av.VideoFrame
    """FFmpeg's number of that matrix: what a stream is to be marked with."""
    marked = int(frame.colorspace)
    if marked in _MATRICES:
        return marked
    return _ITU709 if frame.height >= _HD_LINES else _ITU601


def is_full_range(frame: Any) -> bool:  # noqa: ANN401 av.VideoFrame
    """Whether levels go from 0 to 255 in the coded frame."""
    return int(frame.color_range) == int(ColorRange.JPEG) or frame.format.name.startswith("yuvj")


def rate_of(stream: "VideoStream") -> Fraction:
    """Frames a second, on average."""
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def is_cover(stream: "VideoStream") -> bool:
    """Whether it is a picture to stand for the clip, and nothing that is played."""
    return bool(stream.disposition & Disposition.attached_pic)


def reason_of(error: Exception) -> str:
    """What FFmpeg says, to be put into a sentence."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")
