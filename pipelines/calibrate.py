"""Calibrate a style pack: what its outputs look like when nothing is wrong.

Views of the photos are stylized, written and read back as in production, and measured; the fit goes
into the pack's folder. Also `python -m pipelines.calibrate PACK PHOTOS PAINTINGS`.
"""

import argparse
import hashlib
import logging
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from upath import UPath

from ganst.inference import choose_precision
from ganst.models.stylepack import CALIBRATION_FILE, StylePack, load_stylepack
from ganst.scoring.calibration import Calibration, Scope
from ganst.scoring.canonical import UnsupportedImageError, check_supported
from ganst.scoring.columns import measure
from ganst.scoring.faults import FAULTS, Case
from ganst.scoring.fitting import FaultRows, NormalRows, fit_calibration
from ganst.scoring.reference import StyleReference
from ganst.scoring.views import widen
from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.errors import EmptyFolderError, GanstError, UndecodableImageError
from pipelines.fan_out import fan_out
from pipelines.images import decode, encode
from pipelines.progress import OnProgress, Progress
from pipelines.storage import commit_bytes, open_root, read_bytes
from pipelines.styles import open_stylizer
from pipelines.stylize import one_thread

VIEWS = 5
FORMATS = ("png", "jpeg", "webp", "tiff", "bmp")
QUALITY = 95
_WRITTEN = ("png", "jpeg", "webp")  # tiff and bmp lose nothing, as png
_FAULTS_A_PHOTO = 3
_MAX_PIXELS = 50_000_000
_MIN_GROUPS = 8
_LEFT_OUT = (UndecodableImageError, UnsupportedImageError)

log = logging.getLogger(__name__)


class CalibrationInputError(GanstError):
    """The photos or paintings of a calibration do not suffice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationJob:
    """What a worker needs besides the photo: the style, and the reference to measure against."""

    photos: str
    style_path: str
    style_digest: str
    precisions: tuple[str, ...]
    reference: StyleReference
    views: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoTask:
    """A photo to make views of, and another one whose output stands in for a mix-up."""

    number: int
    photo: str
    donor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPhoto:
    """Columns of a photo's normal outputs, and of some with an injected fault by its name."""

    normal: tuple[dict[str, float], ...]
    faulty: tuple[tuple[str, dict[str, float]], ...]


def calibrate(
    pack_path: Path,
    photos: str,
    paintings: str | None,
    compute: ComputeConfig,
    out_path: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Fit the calibration of a pack and write it to `out_path`, by default into the pack.

    `paintings` may be None where the pack has a calibration: its style reference is kept.

    Raises:
        CalibrationInputError: Too few photos, or no paintings for a pack without a calibration.

    """
    pack = load_stylepack(pack_path)
    calibration = fit_pack(pack, photos, paintings, compute, on_progress=on_progress)
    target = out_path or pack.path / CALIBRATION_FILE
    commit_bytes(UPath(target), calibration.to_bytes())
    return calibration


def fit_pack(
    pack: StylePack,
    photos: str,
    paintings: str | None,
    compute: ComputeConfig,
    *,
    views: int = VIEWS,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Fit a pack's calibration to `views` views of each photo; nothing is written."""
    names = list_images(open_root(photos))
    job = CalibrationJob(
        photos=str(open_root(photos)),
        style_path=str(pack.path),
        style_digest=pack.digest,
        precisions=_precisions(),
        reference=_reference(pack, paintings),
        views=views,
    )
    return fit_measured(_measure_all(plan_photos(names), job, compute, on_progress), job)


def fit_measured(
    measured: dict[str, MeasuredPhoto], job: CalibrationJob, strength: float = 1.0
) -> Calibration:
    """The calibration of measured photos by name."""
    groups = shoots(list(measured))
    views = [(name, row) for name in sorted(measured) for row in measured[name].normal]
    faulty = [pair for name in sorted(measured) for pair in measured[name].faulty]
    scope = Scope(
        style_digest=job.style_digest,
        precisions=job.precisions,
        formats=FORMATS,
        min_quality=QUALITY,
        strength=strength,
    )
    try:
        return fit_calibration(
            NormalRows(
                columns=[row for _, row in views],
                photos=[name for name, _ in views],
                groups=[groups[name] for name, _ in views],
            ),
            FaultRows(columns=[row for _, row in faulty], reasons=[name for name, _ in faulty]),
            job.reference,
            scope,
        )
    except ValueError as error:
        raise CalibrationInputError(f"{job.photos}: {error}.") from error


def shoots(names: Sequence[str]) -> dict[str, str]:
    """Group photos that belong together: folder and name without its trailing number.

    `beach0.jpg` and `beach1.jpg` are one shoot. Where that leaves fewer than 8 groups, as in a
    camera's IMG_0001 onwards, every photo is its own.
    """
    found = {name: _stem_without_number(name) for name in names}
    return found if len(set(found.values())) >= _MIN_GROUPS else {name: name for name in names}


def list_images(folder: UPath) -> list[str]:
    """Relative paths of all files below `folder` whose names look like images, sorted."""
    suffixes = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    if not names:
        raise EmptyFolderError(f"{folder} holds no images.")
    return names


def plan_photos(names: Sequence[str]) -> list[PhotoTask]:
    """Every photo with a donor drawn from the others, the same one every time."""
    shuffled = list(names)
    random.Random(0).shuffle(shuffled)
    following = dict(zip(shuffled, shuffled[1:] + shuffled[:1], strict=True))
    return [
        PhotoTask(number=index, photo=name, donor=following[name])
        for index, name in enumerate(names)
    ]


def measure_photo(task: PhotoTask, job: CalibrationJob) -> MeasuredPhoto:
    """Stylize and measure all views of a photo; put faults into some of the outputs."""
    with one_thread():
        pixels, generator = _open_photo(task.photo, job.photos)
        donor, _ = _open_photo(task.donor, job.photos)
        views = widen(pixels, job.views, generator)
        outputs = [_produce(view, task.number + index, job) for index, view in enumerate(views)]
        normal = [
            measure(view, output, job.reference)
            for view, output in zip(views, outputs, strict=True)
        ]
        stand_in = _produce(donor, task.number, job)
        faulty = []
        for index, name in enumerate(_faults_of(task.number, min(job.views, _FAULTS_A_PHOTO))):
            which = index % len(views)
            case = Case(
                source=views[which], output=outputs[which], donor=stand_in, generator=generator
            )
            severity = 1.5 + 3.5 * float(torch.rand((), generator=generator))
            damaged = FAULTS[name](case, severity)
            faulty.append((name, measure(views[which], damaged, job.reference)))
    return MeasuredPhoto(normal=tuple(normal), faulty=tuple(faulty))


def _measure_all(
    tasks: Sequence[PhotoTask],
    job: CalibrationJob,
    compute: ComputeConfig,
    on_progress: OnProgress | None,
) -> dict[str, MeasuredPhoto]:
    started = time.monotonic()
    measured: dict[str, MeasuredPhoto] = {}
    rejected = 0
    with open_client(compute) as client:
        for task, result, error in fan_out(client, measure_photo, tasks, job):
            if error is not None and not isinstance(error, _LEFT_OUT):
                raise error
            if result is None:
                log.warning("left out %s: %s", task.photo, error)
                rejected += 1
            else:
                measured[task.photo] = result
            if on_progress:
                on_progress(
                    Progress(
                        stage="calibrate",
                        done=len(measured) + rejected,
                        total=len(tasks),
                        rejected=rejected,
                        elapsed_s=time.monotonic() - started,
                    )
                )
    return measured


def _open_photo(name: str, folder: str) -> tuple[Tensor, torch.Generator]:
    """Pixels, and a generator seeded by the file's bytes."""
    data = read_bytes(open_root(folder) / name)
    seed = int.from_bytes(hashlib.sha256(data).digest()[:7], "big")
    pixels = decode(data, max_pixels=_MAX_PIXELS).pixels
    check_supported(pixels)
    return pixels, torch.Generator().manual_seed(seed)


def _produce(view: Tensor, number: int, job: CalibrationJob) -> Tensor:
    """Stylize, write and read back, as a run would; precisions and formats take turns."""
    precision = job.precisions[number % len(job.precisions)]
    stylizer = open_stylizer(job.style_path, job.style_digest, "final", precision, 1.0)
    output = stylizer.stylize([view])[0]
    data = encode(output, format=_WRITTEN[number % len(_WRITTEN)], quality=QUALITY)
    return decode(data, max_pixels=_MAX_PIXELS).pixels


def _faults_of(number: int, count: int) -> Iterator[str]:
    names = list(FAULTS)
    for index in range(count):
        yield names[(number * count + index) % len(names)]


def _precisions() -> tuple[str, ...]:
    """Both where bf16 is native: the difference is below a level, and a run may use either."""
    return ("bf16", "fp32") if choose_precision() == "bf16" else ("fp32",)


def _reference(pack: StylePack, paintings: str | None) -> StyleReference:
    if paintings is not None:
        folder = open_root(paintings)
        return StyleReference.fit(
            [
                decode(read_bytes(folder / name), max_pixels=_MAX_PIXELS).pixels
                for name in list_images(folder)
            ]
        )
    known = pack.path / CALIBRATION_FILE
    if not known.is_file():
        raise CalibrationInputError(
            f"style {pack.name} has no calibration yet: name the folder of its paintings."
        )
    return Calibration.from_bytes(known.read_bytes()).reference


def _stem_without_number(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / re.sub(r"[\W_]*\d*$", "", path.stem))


def main() -> None:
    """Calibrate from the command line of a bare machine."""
    parser = argparse.ArgumentParser(description=calibrate.__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("photos")
    parser.add_argument("paintings", nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    compute = ComputeConfig(workers=given.workers)
    made = calibrate(given.pack, given.photos, given.paintings, compute, given.out)
    log.info("calibrated %s: %s", made.calibration_id, dict(made.facts))


if __name__ == "__main__":
    main()
