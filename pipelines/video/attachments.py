"""What is fastened to a clip beside its streams: fonts for its subtitles, cover pictures, other files."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.stream import AttachmentStream, Disposition
from av.video.stream import VideoStream

from pipelines.errors import UndecodableImageError
from pipelines.video.reading import is_cover, reason_of

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

_TYPES = {"mjpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "gif": "image/gif"}
_UNKNOWN = "application/octet-stream"
_OWN = ("filename", "mimetype")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file. `codec` and `size` (width, height) has a picture that is marked as the cover."""

    name: str
    mimetype: str
    data: bytes
    labels: dict[str, str]
    codec: str | None = None
    size: tuple[int, int] = (0, 0)


def read_attachments(container: InputContainer) -> list[Attachment]:
    """All of a clip, in order. The container has been read from afterwards: open another for its streams.

    Raises:
        UndecodableImageError: It breaks off.

    """
    found = []
    for stream in container.streams:
        labels = {key: text for key, text in stream.metadata.items() if key not in _OWN}
        if isinstance(stream, AttachmentStream):
            name = stream.name or f"attachment-{stream.index}"
            kind = stream.mimetype or _UNKNOWN
            found.append(Attachment(name=name, mimetype=kind, data=stream.data, labels=labels))
        elif isinstance(stream, VideoStream) and is_cover(stream):
            found.append(_cover(container, stream, labels))
    return found


def attach(
    out: OutputContainer, attachments: list[Attachment]
) -> tuple[list[av.Packet], list[str]]:
    """Fasten them to a clip whose header is not written yet.

    Returns:
        Packets of the covers, which are to be muxed, and sentences about what cannot be kept.

    """
    packets, notes = [], []
    for one in attachments:
        what = "cover" if one.codec else "attachment"
        if not one.data:
            notes.append(f"its {what} {one.name} is empty")
        elif out.format.name == "matroska":
            out.add_attachment(one.name, one.mimetype, one.data).metadata.update(one.labels)
        elif out.format.name == "mp4" and one.codec in _TYPES:
            packets.append(_cover_packet(out, one))
        else:
            notes.append(f"{out.format.name} cannot hold its {what} {one.name}")
    return packets, notes


def _cover(container: InputContainer, stream: VideoStream, labels: dict[str, str]) -> Attachment:
    codec = stream.codec_context.name if stream.codec_context else "unknown"
    try:
        container.seek(0)
        data = next((bytes(packet) for packet in container.demux(stream) if packet.size), b"")
    except av.FFmpegError as error:
        raise UndecodableImageError(f"Its cover cannot be read: {reason_of(error)}.") from error
    kind = stream.metadata.get("mimetype") or _TYPES.get(codec, _UNKNOWN)
    return Attachment(
        name=stream.metadata.get("filename") or f"cover.{kind.rpartition('/')[2]}",
        mimetype=kind,
        data=data,
        labels=labels,
        codec=codec,
        size=(stream.width, stream.height),
    )


def _cover_packet(out: OutputContainer, cover: Attachment) -> av.Packet:
    width, height = cover.size
    stream = out.add_mux_stream(str(cover.codec), width=width, height=height)
    stream.disposition = Disposition.attached_pic
    packet = av.Packet(cover.data)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 0
    return packet
