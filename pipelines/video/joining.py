"""Segments to a clip: packets are copied, those of sound and subtitles untouched, nothing is encoded."""

import errno
import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from pipelines.errors import UndecodableImageError
from pipelines.video.attachments import Attachment, attach
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import reason_of
from pipelines.video.writing import writing

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

_COPIED = ("audio", "subtitle")
_LOCATION = "location"  # in the name of every label that says where, of all containers
# The container's own affairs, which its muxer writes anew.
_OWN = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
# No random numbers and no version in the file: the same work, the same bytes.
_OPTIONS = {"fflags": "+bitexact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """Where the video of a clip lies: its segments, and shots that were made again, by number."""

    segments: Sequence[Path]
    shots: Mapping[int, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """What a clip is packed in."""

    container: str  # mp4, mov or matroska
    software: str  # a note on what made it
    strip_location: bool


def join(
    path: Path,
    film: Film,
    source: "InputContainer",
    attachments: list[Attachment],
    plan: ClipPlan,
    wrapping: Wrapping,
) -> tuple[str, ...]:
    """Write a clip of copied packets: video of the film, sound and subtitles of the source.

    Returns:
        Sentences about streams and attachments that the container cannot hold.

    Raises:
        OSError: The disk is full, or takes no more.
        UndecodableImageError: The source breaks off.
        UnstylizableImageError: The container does not take what the source has.

    """
    faststart = {} if wrapping.container == "matroska" else {"movflags": "+faststart"}
    with ExitStack() as stack:
        stack.enter_context(writing(path))
        out = stack.enter_context(
            av.open(str(path), "w", format=wrapping.container, options=_OPTIONS | faststart)
        )
        first = stack.enter_context(av.open(str(film.segments[0])))
        shown = out.add_stream_from_template(first.streams.video[0])
        shown.time_base = Fraction(*plan.time_base)
        others, notes = _other_streams(out, source)
        covers, more_notes = attach(out, attachments)
        out.metadata.update(_labels(source, wrapping))
        out.set_chapters(source.chapters())
        packets = [_video_packets(film, plan, shown)]
        if others:
            packets.append(_copied_packets(source, others))
        out.mux(covers)
        for _, _, packet in heapq.merge(*packets, key=lambda entry: entry[:2]):
            out.mux(packet)
    _check(path, plan)
    return (*notes, *more_notes)


Timed = tuple[float, int, Any]  # seconds, rank among equals, packet


def _video_packets(film: Film, plan: ClipPlan, stream: Any) -> Iterator[Timed]:  # noqa: ANN401
    unit = Fraction(*plan.time_base)
    for (path, begin), pieces in groupby(_pieces(film, plan), key=lambda piece: piece[:2]):
        frames = [number for _, _, piece in pieces for number in piece]
        with av.open(str(path)) as container:
            encoded = (packet for packet in container.demux(video=0) if packet.size)
            for number, packet in zip(range(begin, frames[-1] + 1), encoded, strict=False):
                if number < frames[0]:
                    continue
                packet.time_base = unit
                packet.pts = packet.dts = plan.pts[number]
                packet.duration = plan.duration(number)
                packet.stream = stream
                yield float(packet.dts * unit), 0, packet


def _pieces(film: Film, plan: ClipPlan) -> Iterator[tuple[Path, int, range]]:
    """In order: the file, the number of its first frame, and the frames to take out of it."""
    for number, segment in enumerate(film.segments):
        for shot, frames in plan.pieces(number):
            again = film.shots.get(plan.shots.index(shot.start))
            if again:
                yield again, shot.start, frames
            else:
                yield segment, plan.segments[number], frames


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
            notes.append(f"{out.format.name} cannot hold its {stream.type} stream ({name})")
            continue
        copied[stream.index].metadata.update(stream.metadata)
        copied[stream.index].disposition = stream.disposition
    return copied, tuple(notes)


def _copied_packets(source: "InputContainer", streams: dict[int, Any]) -> Iterator[Timed]:
    wanted = [stream for stream in source.streams if stream.index in streams]
    try:
        for packet in source.demux(wanted):
            if packet.size == 0 or packet.dts is None:
                continue
            rank, at = packet.stream.index + 1, float(packet.dts * packet.time_base)
            packet.stream = streams[packet.stream.index]
            yield at, rank, packet
    except av.FFmpegError as error:
        raise UndecodableImageError(f"Its sound breaks off: {reason_of(error)}.") from error


def _labels(source: "InputContainer", wrapping: Wrapping) -> dict[str, str]:
    kept = {name: text for name, text in source.metadata.items() if name.lower() not in _OWN}
    if wrapping.strip_location:
        kept = {name: text for name, text in kept.items() if _LOCATION not in name.lower()}
    return kept | {"comment": wrapping.software}


def _check(path: Path, plan: ClipPlan) -> None:
    """A full disk is not always told by the muxer."""
    with av.open(str(path)) as container:
        found = sum(packet.size > 0 for packet in container.demux(video=0))
    if found != plan.num_frames:
        said = f"{found} of {plan.num_frames} frames can be read back"
        raise OSError(errno.EIO, said, str(path))
