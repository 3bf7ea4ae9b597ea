"""Frames to a segment: H.264 that can be cut at shots and put together again without encoding it anew."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch
from av.codec.context import Flags
from av.video.frame import PictureType
from torch import Tensor

from pipelines.errors import UnstylizableImageError
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import EXACT, levels_of, reason_of
from pipelines.video.signature import SEGMENT_FORMAT

CODEC = "libx264"
_PRESET = "veryfast"
_KEY_EVERY_S = 4
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def write_segment(
    path: Path, frames: Iterable[tuple[int, Tensor]], plan: ClipPlan, quality: int
) -> None:
    """Encode numbered frames, uint8 `[3, H, W]`, as H.264; every shot begins with a key frame.

    No B frames: each packet is shown when it is decoded, so that segments follow each other without a gap
    in either clock. `quality`: x264's constant rate factor, 0 best to 51.

    Raises:
        OSError: The disk is full, or takes no more.
        UnstylizableImageError: Frames of this size or rate cannot be encoded.

    """
    with writing(path), av.open(str(path), "w", format=SEGMENT_FORMAT) as container:
        stream = container.add_stream(
            CODEC, rate=Fraction(*plan.rate), options=_options(plan, quality)
        )
        context = stream.codec_context
        context.width, context.height = _even(plan.width), _even(plan.height)
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(*plan.time_base)
        context.sample_aspect_ratio = Fraction(*plan.aspect)
        context.flags |= Flags.global_header
        context.colorspace = plan.marks["colorspace"]
        context.color_range = 2 if plan.marks["full_range"] else 1
        context.color_primaries = plan.marks["color_primaries"]
        context.color_trc = plan.marks["color_trc"]
        begins = frozenset(plan.shots)
        for number, pixels in frames:
            frame = _to_frame(pixels, plan)
            frame.pts, frame.time_base = plan.pts[number], context.time_base
            if number in begins:
                frame.pict_type = PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell a full disk from a clip that cannot be written: FFmpeg has one kind of error for both."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno in _DISK:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise UnstylizableImageError(
            f"It cannot be written as a clip: {reason_of(error)}."
        ) from error


def _options(plan: ClipPlan, quality: int) -> dict[str, str]:
    return {
        "crf": str(quality),
        "preset": _PRESET,
        "bf": "0",
        "threads": "1",
        "g": str(max(1, round(_KEY_EVERY_S * plan.frames_per_s))),
        "forced-idr": "1",  # nothing behind the first frame of a shot may refer to before it
        "x264-params": "stitchable=1",  # headers that do not depend on what is seen
    }


def _to_frame(pixels: Tensor, plan: ClipPlan) -> Any:  # noqa: ANN401 av.VideoFrame
    for dim in (1, 2):
        if pixels.shape[dim] % 2:
            pixels = torch.cat([pixels, pixels.narrow(dim, -1, 1)], dim)
    _, height, width = pixels.shape
    rgb = av.VideoFrame(width, height, "gbrp")
    # By planes, as they are: putting the three levels of each pixel beside each other takes a millisecond.
    for plane, levels in zip(rgb.planes, pixels[[1, 2, 0]], strict=True):
        levels_of(plane)[:] = levels.numpy()
    return rgb.reformat(
        format="yuv420p",
        dst_colorspace=plan.marks["matrix"],
        dst_color_range=2 if plan.marks["full_range"] else 1,
        interpolation=EXACT,
    )


def _even(side: int) -> int:
    """H.264 with 4:2:0 colours has no odd sides: the last line is doubled."""
    return side + side % 2
