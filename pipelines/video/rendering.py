"""Frames of a clip stylized in a manner, and its files put together: first attempts and corrections alike."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor
from upath import UPath

from ganst.video.shot import Piece, ShotStylizer, Steadiness
from pipelines.runs import FIRST_CHECKPOINT
from pipelines.storage import commit_file, is_local, open_root, resolve_inside
from pipelines.styles import open_stylizer
from pipelines.video.attachments import read_attachments
from pipelines.video.clips import Clip, ClipJob, segment_path
from pipelines.video.frames import FrameReader
from pipelines.video.joining import Film, Wrapping, join
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import open_clip
from pipelines.video.signature import container_of
from pipelines.video.writing import write_segment

ALONE = Steadiness(sharing=None, blending=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How frames are stylized."""

    checkpoint: str = FIRST_CHECKPOINT
    precision: str
    strength: float
    steadiness: Steadiness = field(default_factory=Steadiness)


def first_manner(job: ClipJob) -> Manner:
    """That of a first attempt."""
    steadiness = Steadiness() if job.steady else ALONE
    return Manner(precision=job.precision, strength=job.strength, steadiness=steadiness)


def stylized_frames(
    pieces: list[tuple[range, range]],
    plan: ClipPlan,
    reader: FrameReader,
    job: ClipJob,
    manner: Manner,
) -> Iterator[tuple[int, Tensor]]:
    """Number and output, uint8 `[3, H, W]`, of frames: `pieces` are of shots, see `ClipPlan.pieces`."""
    stylizer = open_stylizer(
        job.style_path,
        job.style_digest,
        manner.checkpoint,
        manner.precision,
        manner.strength,
        job.memory_mb,
    )
    steadiness = manner.steadiness
    if stylizer.cuts(plan.height, plan.width):  # strips have their own way to one set of statistics
        steadiness = Steadiness(sharing=None, blending=steadiness.blending)
    shots = ShotStylizer(stylizer, steadiness)
    for shot, frames in pieces:
        piece = Piece(
            start=frames.start - shot.start, stop=frames.stop - shot.start, length=len(shot)
        )
        first, last = (shot.start + position for position in shots.needed(piece))
        yield from zip(frames, shots.stylize(reader.frames(first, last), piece), strict=True)


def write_pieces(
    path: UPath,
    pieces: list[tuple[range, range]],
    clip: Clip,
    plan: ClipPlan,
    job: ClipJob,
    manner: Manner,
) -> None:
    """Commit a file of encoded frames.

    Raises:
        UndecodableImageError: The source is damaged.
        UnstylizableImageError: Its frames cannot be encoded.

    """
    with open_clip(source_of(clip, job), clip.format) as container:
        frames = stylized_frames(pieces, plan, FrameReader(container, plan), job, manner)
        commit_file(path, lambda file: write_segment(file, frames, plan, job.quality))


def join_clip(
    path: UPath, clip: Clip, plan: ClipPlan, job: ClipJob, again: Mapping[int, UPath] | None = None
) -> tuple[str, ...]:
    """Commit the clip: its segments, but the shots `again` by number from files of their own.

    Returns:
        Sentences about streams and attachments that were left out.

    Raises:
        UndecodableImageError: The source is damaged.
        UnstylizableImageError: The container does not take what the source has.

    """
    wrapping = Wrapping(
        container=container_of(clip.output),
        software=job.software,
        strip_location=job.strip_location,
    )
    notes: list[str] = []
    with open_clip(source_of(clip, job), clip.format) as source:
        attachments = read_attachments(source)
    with (
        _film(clip, plan, job, again or {}) as film,
        open_clip(source_of(clip, job), clip.format) as source,
    ):
        parts = (film, source, attachments, plan, wrapping)
        commit_file(path, lambda file: notes.extend(join(file, *parts)))
    return tuple(notes)


def source_of(clip: Clip, job: ClipJob) -> UPath:
    """Where the source lies."""
    return resolve_inside(open_root(job.photos), clip.source)


@contextmanager
def _film(clip: Clip, plan: ClipPlan, job: ClipJob, again: Mapping[int, UPath]) -> Iterator[Film]:
    """All files of the video on a local disk, fetched where the run lies on a store."""
    numbers = range(len(plan.segments))
    segments = [segment_path(job.folder, clip.attempt_id, number) for number in numbers]
    with TemporaryDirectory(prefix="ganst-") as scratch:
        folder = Path(scratch)
        yield Film(
            segments=[_local(path, folder) for path in segments],
            shots={number: _local(path, folder) for number, path in again.items()},
        )


def _local(path: UPath, scratch: Path) -> Path:
    if is_local(path):
        return Path(str(path))
    path.fs.get_file(path.path, str(scratch / path.name))
    return scratch / path.name
