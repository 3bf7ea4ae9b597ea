"""Which files are clips: by name whether to look, by the first bytes what they are."""

from pathlib import PurePosixPath

CLIP_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif"})
HEAD_BYTES = 64
VIDEO = "video"  # the mode of a clip in the catalog

ANIMATED_GIF = "GIF (animated)"
# Ours alone, never a source's. Takes any time base and holds the parameter sets, which joining needs.
SEGMENT, SEGMENT_FORMAT = "NUT", "nut"
_EBML = b"\x1a\x45\xdf\xa3"
# What FFmpeg may take them for: no format that names other files, such as playlists, is among them.
_DEMUXERS = {
    "MP4": "mp4",
    "MOV": "mov",
    "MKV": "matroska",
    "WEBM": "matroska",
    ANIMATED_GIF: "gif",
    SEGMENT: SEGMENT_FORMAT,
}


def may_be_clip(source: str) -> bool:
    """Whether the name of a file is that of a clip."""
    return PurePosixPath(source).suffix.lower() in CLIP_SUFFIXES


def is_clip_output(output: str | None) -> bool:
    """Whether an output of that name, if there is one, is a clip: no photo is written under such a name."""
    return PurePosixPath(output or "").suffix.lower() in CLIP_SUFFIXES - {".gif"}


def clip_format(head: bytes) -> str | None:
    """MP4, MOV, MKV, WEBM or a GIF, as the first bytes of a file have it; None for anything else."""
    if head[4:8] == b"ftyp":
        return "MOV" if head[8:12] == b"qt  " else "MP4"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free"):  # QuickTime before there were brands
        return "MOV"
    if head.startswith(_EBML):
        return "WEBM" if b"webm" in head else "MKV"
    return ANIMATED_GIF if head.startswith((b"GIF87a", b"GIF89a")) else None


def demuxer_of(format_name: str) -> str:
    """FFmpeg's name of the one demuxer that may read such a file."""
    return _DEMUXERS[format_name]


def clip_format_of_output(output: str) -> str:
    """The format of a clip that was written under that name."""
    if output.endswith(f".{SEGMENT_FORMAT}"):
        return SEGMENT
    return {"mov": "MOV", "matroska": "MKV"}.get(container_of(output), "MP4")


def container_of(output: str) -> str:
    """FFmpeg's name of the container that an output's name stands for."""
    suffix = PurePosixPath(output).suffix.lower()
    return {".mov": "mov", ".mkv": "matroska"}.get(suffix, "mp4")
