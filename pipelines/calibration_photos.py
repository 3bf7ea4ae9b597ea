"""A photo of a calibration, in a worker: its views stylized, some outputs spoilt, all measured."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganst.scoring.canonical import check_supported, open_canvas
from ganst.scoring.faults import FAULTS, Case
from ganst.scoring.measuring import measure
from ganst.scoring.place_maps import PlaceMaps, place_maps
from ganst.scoring.reference import Reference
from ganst.scoring.views import enlarge, widen
from pipelines.images import decode, encode
from pipelines.storage import open_root, read_bytes
from pipelines.styles import open_stylizer
from pipelines.stylize import one_thread

QUALITY = 95
MAX_PIXELS = 50_000_000
_WRITTEN = ("png", "jpeg", "webp")  # tiff and bmp lose nothing, as png
_FAULTS_A_VIEW = 3  # so five views of a photo have one of every kind
_DRAW = 0  # of the faults: another number gives others


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationJob:
    """What a worker needs besides the photo: the style, and how many views to make of it."""

    photos: str
    style_path: str
    style_digest: str
    precisions: tuple[str, ...]
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

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "MeasuredPhoto":
        """Undo `dataclasses.asdict` and JSON."""
        faulty = tuple((kind, row) for kind, row in facts["faulty"])
        return cls(normal=tuple(facts["normal"]), faulty=faulty)


def map_photo(task: PhotoTask, job: CalibrationJob) -> tuple[PlaceMaps, ...]:
    """Stylize a photo's views, and say what their places are like."""
    with one_thread(), torch.inference_mode():
        pixels, generator = _open_photo(task.photo, job.photos)
        views = widen(pixels, job.views, generator)
        outputs = [_produce(view, task.number + index, job) for index, view in enumerate(views)]
        return tuple(
            place_maps(open_canvas(view), open_canvas(output))
            for view, output in zip(views, outputs, strict=True)
        )


def measure_photo(task: PhotoTask, job: CalibrationJob, reference: Reference) -> MeasuredPhoto:
    """Stylize and measure all views of a photo; put faults into some of the outputs."""
    with one_thread():
        pixels, generator = _open_photo(task.photo, job.photos)
        donor, _ = _open_photo(task.donor, job.photos)
        made = [
            (view, _produce(view, task.number + index, job))
            for index, view in enumerate(widen(pixels, job.views, generator))
        ]
        normal = [measure(view, output, reference) for view, output in made]
        stand_in = _produce(donor, task.number, job)
        faulty = tuple(
            (name, measure(view, damaged, reference))
            for name, view, damaged in _damaged(task, made, stand_in)
        )
        if job.views > 1:  # one view is the photo as it is, and nothing else
            normal.append(_large(task, pixels, job, reference))
    return MeasuredPhoto(normal=tuple(normal), faulty=faulty)


def _damaged(
    task: PhotoTask, made: Sequence[tuple[Tensor, Tensor]], donor: Tensor
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name of a fault, one of the views made, and its output with that fault; each drawn by itself."""
    for index, name in enumerate(_faults_of(task.number, _FAULTS_A_VIEW * len(made))):
        which = (task.number + index) % len(made)
        view, output = made[which]
        generator = _seeded(f"{task.photo}/{name}/{_DRAW}".encode())
        case = Case(source=view, output=output, donor=donor, generator=generator)
        severity = 1 + 4 * float(torch.rand((), generator=generator))
        yield name, view, _written(FAULTS[name](case, severity), task.number + which)


def _large(
    task: PhotoTask, pixels: Tensor, job: CalibrationJob, reference: Reference
) -> dict[str, float]:
    """Columns of the output of a large view; drawn by itself, so that it changes no other view."""
    view = enlarge(pixels, _seeded(f"{task.photo}/large".encode()))
    return measure(view, _produce(view, task.number + job.views, job), reference)


def _open_photo(name: str, folder: str) -> tuple[Tensor, torch.Generator]:
    """Pixels, and a generator seeded by the file's bytes."""
    data = read_bytes(open_root(folder) / name)
    pixels = decode(data, max_pixels=MAX_PIXELS).pixels
    check_supported(pixels)
    return pixels, _seeded(data)


def _seeded(data: bytes) -> torch.Generator:
    seed = int.from_bytes(hashlib.sha256(data).digest()[:7], "big")
    return torch.Generator().manual_seed(seed)


def _produce(view: Tensor, number: int, job: CalibrationJob) -> Tensor:
    """Stylize, write and read back, as a run would; precisions and formats take turns."""
    precision = job.precisions[number % len(job.precisions)]
    stylizer = open_stylizer(job.style_path, job.style_digest, "final", precision, 1.0)
    return _written(stylizer.stylize([view])[0], number)


def _written(output: Tensor, number: int) -> Tensor:
    """What is read back from a file; formats take turns."""
    data = encode(output, format=_WRITTEN[number % len(_WRITTEN)], quality=QUALITY)
    return decode(data, max_pixels=MAX_PIXELS).pixels


def _faults_of(number: int, count: int) -> Iterator[str]:
    """Kinds that take turns over the photos, no kind twice."""
    names = list(FAULTS)
    count = min(count, len(names))
    for index in range(count):
        yield names[(number * count + index) % len(names)]
