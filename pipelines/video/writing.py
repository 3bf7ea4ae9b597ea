"""Frames to a segment, and segments to a clip: what is encoded once is never encoded again."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import torch
from av.codec.context import Flags
from torch import Tensor

from pipelines.errors import UnstylizableImageError
from pipelines.video.plan import ClipPlan

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

CODEC = "libx264"
# Takes any time base as it is and holds the parameter sets, which joining needs.
SEGMENT_FORMAT = "nut"
_PRESET = "veryfast"
_KEY_EVERY_S = 4
_COPIED = ("audio", "subtitle")
_LOCATION = frozenset({"location", "location-eng", "com.apple.quicktime.location.ISO6709"})
# The container's own affairs, which its muxer writes anew.
_OWN = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


def write_segment(
    path: Path, frames: Iterable[tuple[int, Tensor]], plan: ClipPlan, quality: int
) -> None:
    """Encode numbered frames, uint8 `[3, H, W]`, as H.264.

    No B frames: each packet is shown when it is decoded, so that segments follow each other without a gap
    in either clock. `quality`: x264's constant rate factor, 0 best to 51.
    """
    with av.open(str(path), "w", format=SEGMENT_FORMAT) as container:
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
        for number, pixels in frames:
            frame = _to_frame(pixels, plan)
            frame.pts, frame.time_base = plan.pts[number], context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """What a clip is packed in."""

    container: str  # mp4, mov or matroska
    software: str  # a note on what made it
    strip_location: bool


def join_segments(
    path: Path,
    segments: Sequence[Path],
    source: "InputContainer",
    plan: ClipPlan,
    wrapping: Wrapping,
) -> tuple[str, ...]:
    """Write a clip of copied packets: video of the segments, sound and subtitles of the source.

    Returns:
        Sentences about streams that the container cannot hold.

    Raises:
        UnstylizableImageError: The file does not have all frames in it.

    """
    options = {"movflags": "+faststart"} if wrapping.container != "matroska" else {}
    with (
        av.open(str(path), "w", format=wrapping.container, options=options) as out,
        av.open(str(segments[0])) as first,
    ):
        shown = out.add_stream_from_template(first.streams.video[0])
        shown.time_base = Fraction(*plan.time_base)
        others, notes = _other_streams(out, source)
        out.metadata.update(_labels(source, wrapping))
        packets = [_video_packets(segments, plan, shown)]
        if others:
            packets.append(_copied_packets(source, others))
        for _, _, packet in heapq.merge(*packets, key=lambda entry: entry[:2]):
            out.mux(packet)
    _check(path, plan)
    return notes


def _options(plan: ClipPlan, quality: int) -> dict[str, str]:
    return {
        "crf": str(quality),
        "preset": _PRESET,
        "bf": "0",
        "threads": "1",
        "g": str(max(1, round(_KEY_EVERY_S * plan.frames_per_s))),
    }


def _to_frame(pixels: Tensor, plan: ClipPlan) -> Any:  # noqa: ANN401 av.VideoFrame
    for dim in (1, 2):
        if pixels.shape[dim] % 2:
            pixels = torch.cat([pixels, pixels.narrow(dim, -1, 1)], dim)
    rgb = av.VideoFrame.from_ndarray(pixels.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
    return rgb.reformat(
        format="yuv420p",
        dst_colorspace=plan.marks["matrix"],
        dst_color_range=2 if plan.marks["full_range"] else 1,
    )


def _even(side: int) -> int:
    """H.264 with 4:2:0 colours has no odd sides: the last line is doubled."""
    return side + side % 2


Timed = tuple[float, int, Any]  # seconds, rank among equals, packet


def _video_packets(segments: Sequence[Path], plan: ClipPlan, stream: Any) -> Iterator[Timed]:  # noqa: ANN401
    number, unit = 0, Fraction(*plan.time_base)
    for segment in segments:
        with av.open(str(segment)) as container:
            for packet in container.demux(video=0):
                if packet.size == 0:
                    continue
                packet.time_base = unit
                packet.pts = packet.dts = plan.pts[number]
                packet.duration = plan.duration(number)
                packet.stream = stream
                yield float(packet.dts * unit), 0, packet
                number += 1


def _other_streams(
    out: "OutputContainer", source: "InputContainer"
) -> tuple[dict[int, Any], tuple[str, ...]]:
    """By index of the source's stream: the stream of the output that takes its packets."""
    copied: dict[int, Any] = {}
    notes = []
    for stream in source.streams:
        if stream.type not in _COPIED:
            continue
        name = stream.codec_context.name if stream.codec_context else "unknown"
        try:
            copied[stream.index] = out.add_stream_from_template(stream)
        except (ValueError, av.FFmpegError):
            notes.append(f"the {stream.type} stream {stream.index} ({name}) was left out")
            continue
        copied[stream.index].metadata.update(stream.metadata)
    return copied, tuple(notes)


def _copied_packets(source: "InputContainer", streams: dict[int, Any]) -> Iterator[Timed]:
    wanted = [stream for stream in source.streams if stream.index in streams]
    for packet in source.demux(wanted):
        if packet.size == 0 or packet.dts is None:
            continue
        rank, at = packet.stream.index + 1, float(packet.dts * packet.time_base)
        packet.stream = streams[packet.stream.index]
        yield at, rank, packet


def _labels(source: "InputContainer", wrapping: Wrapping) -> dict[str, str]:
    dropped = _OWN | (_LOCATION if wrapping.strip_location else frozenset())
    kept = {name: text for name, text in source.metadata.items() if name not in dropped}
    return kept | {"comment": wrapping.software}


def _check(path: Path, plan: ClipPlan) -> None:
    """A full disk is not always told by the muxer."""
    with av.open(str(path)) as container:
        found = sum(packet.size > 0 for packet in container.demux(video=0))
    if found != plan.num_frames:
        raise UnstylizableImageError(
            f"{found} of {plan.num_frames} frames could be written: is the disk full?"
        )
