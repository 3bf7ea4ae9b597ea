"""Learn what shots look like when nothing is wrong: short clips made of photos, stylized and encoded.

The photos are moved as a hand-held camera would move over them. One shot a photo; every shot goes
the whole way, H.264 and back, because that changes what the finest columns see.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from upath import UPath

from ganst.models.stylepack import load_stylepack
from ganst.scoring.canonical import UnsupportedImageError
from ganst.video.motion import moving
from ganst.video.shot import Piece, ShotStylizer, Steadiness
from ganst.video.shot_scale import ShotScale
from pipelines.calibrate import PRECISIONS, CalibrationInputError, list_images
from pipelines.calibration_draft import Draft, drafts_of, forget
from pipelines.calibration_photos import MAX_PIXELS
from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.fan_out import fan_out
from pipelines.images import decode
from pipelines.judging import load_calibration
from pipelines.progress import OnProgress, Progress
from pipelines.storage import commit_bytes, open_root, read_bytes
from pipelines.styles import open_stylizer
from pipelines.stylize import one_thread
from pipelines.video.measuring import ShotMeter
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import decode_pictures, to_pixels, video_stream
from pipelines.video.shot_calibration import FILE, ClipScope, ShotCalibration
from pipelines.video.signature import SEGMENT_FORMAT
from pipelines.video.writing import write_segment

log = logging.getLogger(__name__)
_RATE = 25
_QUALITY = 18
_FRAMES = 14  # more than the distance of two anchors of shared statistics
_HEIGHT = 288  # lines of the clips
_MAX_PHOTOS = 93


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotTask:
    """A photo to make a shot of."""

    number: int
    photo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotJob:
    """What a worker needs besides the photo."""

    photos: str
    style_path: str
    style_digest: str


def calibrate_clips(
    pack_path: Path, photos: str, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> ShotCalibration:
    """Fit the scale of shots of a pack that has a calibration, and write it into the pack.

    Raises:
        CalibrationInputError: Too few photos, or a pack without a calibration for photos.

    """
    pack = load_stylepack(pack_path)
    known = load_calibration(str(pack.path))
    if known is None:
        raise CalibrationInputError(f"style {pack.name} has no calibration for photos yet.")
    names = list_images(open_root(photos))
    chosen = names[:: -(-len(names) // _MAX_PHOTOS)]
    job = ShotJob(
        photos=str(open_root(photos)), style_path=str(pack.path), style_digest=pack.digest
    )
    tasks = [ShotTask(number=n, photo=name) for n, name in enumerate(chosen)]
    drafts = drafts_of(pack, "clips")
    draft = Draft.of(drafts, job.photos, chosen, [asdict(job), known[1]])
    rows = _measure_all(tasks, job, compute, draft, on_progress)
    try:
        scale = ShotScale.fit(rows)
    except ValueError as error:
        raise CalibrationInputError(f"{photos}: {error}.") from error
    scope = ClipScope(style_digest=pack.digest, calibration_id=known[1], worst_quality=_QUALITY)
    made = ShotCalibration(scope=scope, scale=scale)
    commit_bytes(UPath(pack.path / FILE), made.to_bytes())
    forget(drafts)
    return made


def measure_shot(task: ShotTask, job: ShotJob) -> dict[str, float]:
    """The columns of a shot made of a photo.

    Raises:
        UndecodableImageError: The photo cannot be read.
        UnsupportedImageError: It cannot be scored.

    """
    data = read_bytes(open_root(job.photos) / task.photo)
    photo = decode(data, max_pixels=MAX_PIXELS).pixels
    seed = int.from_bytes(hashlib.sha256(data).digest()[:7], "big")
    frames = list(_frames(photo, torch.Generator().manual_seed(seed)))
    with one_thread(), TemporaryDirectory(prefix="ganst-") as folder:
        plan = _plan(frames)
        # What a camera's file would hold, and not the frames as they were before it.
        sources = _through_a_file(frames, plan, Path(folder))
        outputs = _through_a_file(_stylized(sources, task, job), plan, Path(folder))
        known = load_calibration(job.style_path)
        assert known is not None, "only calibrated styles get here"
        meter = ShotMeter(
            calibration=known[0], frames_per_s=_RATE, length=len(frames), key=task.photo
        )
        for source, output in zip(sources, outputs, strict=True):
            meter.add(source, output)
    return meter.columns()


def _frames(photo: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    height, width = photo.shape[1:]
    wide = 2 * round(_HEIGHT * min(max(width / height, 0.5), 2.5) / 2)
    return moving(photo, _FRAMES, (_HEIGHT, wide), generator)


def _stylized(frames: list[Tensor], task: ShotTask, job: ShotJob) -> list[Tensor]:
    precision = PRECISIONS[task.number % len(PRECISIONS)]
    stylizer = open_stylizer(job.style_path, job.style_digest, "final", precision, 1.0)
    piece = Piece(start=0, stop=len(frames), length=len(frames))
    return list(ShotStylizer(stylizer, Steadiness()).stylize(iter(frames), piece))


def _plan(frames: list[Tensor]) -> ClipPlan:
    numbers = tuple(range(len(frames)))
    return ClipPlan(
        width=int(frames[0].shape[2]),
        height=int(frames[0].shape[1]),
        time_base=(1, _RATE),
        rate=(_RATE, 1),
        aspect=(1, 1),
        marks={
            "matrix": 5,
            "colorspace": 5,
            "full_range": 0,
            "color_primaries": 2,
            "color_trc": 2,
        },
        pts=numbers,
        raw_pts=numbers,
        final_duration=1,
        keys=(0,),
        shots=(0,),
        segments=(0,),
    )


def _through_a_file(frames: list[Tensor], plan: ClipPlan, folder: Path) -> list[Tensor]:
    import av

    path = folder / f"shot.{SEGMENT_FORMAT}"
    write_segment(path, enumerate(frames), plan, _QUALITY)
    with av.open(str(path)) as container:
        pictures = decode_pictures(container, video_stream(container))
        return [to_pixels(picture.frame, (plan.width, plan.height)) for picture in pictures]


def _measure_all(
    tasks: list[ShotTask],
    job: ShotJob,
    compute: ComputeConfig,
    draft: Draft,
    on_progress: OnProgress | None,
) -> list[dict[str, float]]:
    """Rows of the photos in the order of the tasks."""
    started = time.monotonic()
    rows: dict[str, dict[str, float]] = draft.measured()
    missing = [task for task in tasks if task.photo not in rows]
    done = rejected = 0
    with open_client(compute) as client:
        for task, row, error in fan_out(client, measure_shot, missing, job):
            if error is not None and not isinstance(
                error, UndecodableImageError | UnsupportedImageError
            ):
                raise error
            if row is None:
                log.warning("left out %s: %s", task.photo, error)
                rejected += 1
            else:
                draft.keep(task.photo, row)
                rows[task.photo] = row
            done += 1
            if on_progress:
                on_progress(
                    Progress(
                        stage="calibrate clips",
                        done=done,
                        total=len(missing),
                        rejected=rejected,
                        elapsed_s=time.monotonic() - started,
                        unit="shots",
                    )
                )
    return [rows[task.photo] for task in tasks if task.photo in rows]
