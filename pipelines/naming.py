"""Names of outputs: the source's own where its suffix fits the format, and no name twice."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from pipelines.video.signature import ANIMATED_GIF

_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp", ".dib"),
    "mp4": (".mp4", ".m4v"),
    "mov": (".mov",),
    "matroska": (".mkv",),
}
_KEPT = {
    "JPEG": "jpeg",
    "MPO": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "TIFF": "tiff",
    "BMP": "bmp",
    "DIB": "bmp",
}
# Clips, whatever format is wanted of photos. H.264 goes into neither WebM nor GIF; Matroska takes
# every sound track that WebM has.
_CLIPS = {
    "MP4": "mp4",
    "MOV": "mov",
    "MKV": "matroska",
    "WEBM": "matroska",
    ANIMATED_GIF: "mp4",
}


def output_name(source: str, decoded_format: str, wanted: str) -> str:
    """The relative path of an output: the source's, with a suffix that fits the format written.

    `wanted` is "same" or a format. Same: JPEG, PNG, WebP, TIFF and BMP stay, all else becomes PNG.
    Clips do not care: MP4, MOV and Matroska stay, WebM becomes Matroska, an animated GIF MP4.
    """
    target = _KEPT.get(decoded_format, "png") if wanted == "same" else wanted
    target = _CLIPS.get(decoded_format, target)
    path = PurePosixPath(source)
    if path.suffix.lower() in _SUFFIXES[target]:
        return source
    return str(path.with_suffix(_SUFFIXES[target][0]))


def format_of(output: str) -> str:
    """The format that an output name stands for."""
    suffix = PurePosixPath(output).suffix.lower()
    return next(name for name, suffixes in _SUFFIXES.items() if suffix in suffixes)


def find_odd(
    formats: Iterable[tuple[str, str]], wanted: str, moved: Mapping[str, str]
) -> dict[str, str]:
    """Decoded formats by source, of the sources whose outputs do not simply have their own names.

    What `assign_outputs` gives of these alone is what it gives of them among all sources, and all
    others keep their names: of a million photos hardly any has to be looked at.

    Args:
        formats: Source and decoded format, of all sources that were decoded.
        wanted: "same" or a format.
        moved: Names other than the source's own that were given at an earlier ingest.

    """
    taken = set(moved.values())
    return {
        source: found
        for source, found in formats
        if source in moved or source in taken or output_name(source, found, wanted) != source
    }


def assign_outputs(
    formats: Mapping[str, str], wanted: str, *, kept: Mapping[str, str], sources: Iterable[str]
) -> dict[str, str]:
    """A different output name for every source.

    Args:
        formats: Decoded format by source, of all sources that were decoded.
        wanted: "same" or a format.
        kept: Names given at an earlier ingest: they stay, because files lie there.
        sources: All paths of the folder; their folders cannot be output names.

    """
    planned = {source: output_name(source, formats[source], wanted) for source in sorted(formats)}
    names = {s: kept[s] for s in planned if s in kept and _fits(kept[s], planned[s])}
    given = set(names.values())
    names |= {s: s for s in planned.keys() - names.keys() if planned[s] == s and s not in given}
    waiting = sorted(planned.keys() - names.keys())
    folded = _taken(sources, given) if waiting else set()
    for source in waiting:
        names[source] = _first_free(source, planned[source], folded)
        folded.add(names[source].casefold())
    return names


def _taken(sources: Iterable[str], given: Iterable[str]) -> set[str]:
    """Names that no other output can have.

    A source's own path is never another's output, whether or not it can be decoded: a name then
    does not hang on what became of the neighbours. Compared without case: the folder may be copied
    to a disk that ignores it.
    """
    taken = {name.casefold() for name in given}
    for source in sources:
        taken.add(source.casefold())
        taken.update(str(folder).casefold() for folder in PurePosixPath(source).parents)
    return taken


def _fits(kept: str, planned: str) -> bool:
    return format_of(kept) == format_of(planned)


def _first_free(source: str, planned: str, folded: set[str]) -> str:
    suffix = PurePosixPath(planned).suffix
    name, count = planned, 1
    while name.casefold() in folded:
        name = f"{source}{suffix}" if count == 1 else f"{source}.{count}{suffix}"
        count += 1
    return name
