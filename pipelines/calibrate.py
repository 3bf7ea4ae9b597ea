"""Calibrate a style pack: what its outputs look like when nothing is wrong.

Views of the photos are stylized, written and read back as in production, and measured; the fit goes
into the pack's folder. Also `python -m pipelines.calibrate PACK PHOTOS PAINTINGS`.
"""

import argparse
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import safetensors.numpy
from upath import UPath

from ganst.models.stylepack import CALIBRATION_FILE, StylePack, load_stylepack
from ganst.scoring.calibration import Calibration, Scope, known_style
from ganst.scoring.calibration_file import id_of
from ganst.scoring.canonical import UnsupportedImageError
from ganst.scoring.fitting import FaultRows, NormalRows, fit_calibration
from ganst.scoring.place_maps import PlaceMaps
from ganst.scoring.places import PlaceRule
from ganst.scoring.reference import Reference, StyleReference
from pipelines.calibration_draft import Draft, drafts_of, forget
from pipelines.calibration_photos import (
    MAX_PIXELS,
    QUALITY,
    CalibrationJob,
    MeasuredPhoto,
    PhotoTask,
    map_photo,
    measure_photo,
)
from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.errors import EmptyFolderError, GanstError, UndecodableImageError
from pipelines.fan_out import fan_out
from pipelines.images import decode
from pipelines.progress import OnProgress, Progress
from pipelines.storage import commit_bytes, open_root, read_bytes

# Of fewer views chance decides which photos are the oddest two of 188, and they decide on p = .01.
VIEWS = 11
# Both, also where one of them is slow: packs travel, and a run takes the faster one of its machine.
PRECISIONS = ("bf16", "fp32")
FORMATS = ("png", "jpeg", "webp", "tiff", "bmp")
_MIN_GROUPS = 8
# What the rule of places is learnt from: it has few numbers, and every picture hundreds of places.
_MAPPED_PHOTOS = 48
_MAPPED_VIEWS = 3
_LEFT_OUT = (UndecodableImageError, UnsupportedImageError)

log = logging.getLogger(__name__)
T = TypeVar("T")


class CalibrationInputError(GanstError):
    """The photos or paintings of a calibration do not suffice."""


def calibrate(
    pack_path: Path,
    photos: str,
    paintings: str | None,
    compute: ComputeConfig,
    out_path: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Fit the calibration of a pack and write it to `out_path`, by default into the pack.

    What was measured until it is stopped lies beside the pack, and the next call goes on from there.
    `paintings` may be None where the pack has a calibration: its style reference is kept.

    Raises:
        CalibrationInputError: Too few photos, or no paintings for a pack without a calibration.

    """
    pack = load_stylepack(pack_path)
    calibration = fit_pack(pack, photos, paintings, compute, on_progress=on_progress)
    target = out_path or pack.path / CALIBRATION_FILE
    commit_bytes(UPath(target), calibration.to_bytes())
    forget(drafts_of(pack, "photos"))
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
    """Fit a pack's calibration to `views` views of each photo; what is measured is kept as a draft."""
    tasks = plan_photos(list_images(open_root(photos)))
    style = _style_reference(pack, paintings)
    job = CalibrationJob(
        photos=str(open_root(photos)),
        style_path=str(pack.path),
        style_digest=pack.digest,
        precisions=PRECISIONS,
        views=views,
    )
    digest = id_of(safetensors.numpy.save(style.to_arrays()))
    names = [task.photo for task in tasks]
    draft = Draft.of(drafts_of(pack, "photos"), job.photos, names, [asdict(job), digest])
    measured = {name: MeasuredPhoto.of(facts) for name, facts in draft.measured().items()}
    missing = [task for task in tasks if task.photo not in measured]
    report = _Reporter(on_progress, len(missing))
    with open_client(compute) as client:
        reference = draft.reference()
        if reference is None:
            places = PlaceRule.fit(learn_maps(tasks, job, client))
            reference = Reference(style=style, places=places)
            draft.keep_reference(reference)
        found = _results(client, measure_photo, missing, job, reference, report=report)
        for photo, one in found:
            draft.keep(photo, asdict(one))
            measured[photo] = one
    return fit_measured(measured, job, reference)


def learn_maps(tasks: Sequence[PhotoTask], job: CalibrationJob, client: Any) -> list[PlaceMaps]:  # noqa: ANN401
    """Maps of the outputs of photos spread over `tasks`, in the order of the tasks."""
    some = tasks[:: max(1, len(tasks) // _MAPPED_PHOTOS)][:_MAPPED_PHOTOS]
    few = replace(job, views=min(job.views, _MAPPED_VIEWS))
    found = dict(_results(client, map_photo, some, few))
    if not found:
        raise CalibrationInputError(f"{job.photos}: none of the photos can be used.")
    return [one for name in sorted(found) for one in found[name]]


def fit_measured(
    measured: dict[str, MeasuredPhoto],
    job: CalibrationJob,
    reference: Reference,
    strength: float = 1.0,
) -> Calibration:
    """The calibration of measured photos by name."""
    groups = shoots(list(measured))
    views = [(name, row) for name in sorted(measured) for row in measured[name].normal]
    faulty = [
        (name, reason, row) for name in sorted(measured) for reason, row in measured[name].faulty
    ]
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
            FaultRows(
                columns=[row for *_, row in faulty],
                reasons=[reason for _, reason, _ in faulty],
                groups=[groups[name] for name, *_ in faulty],
            ),
            reference,
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


class _Reporter:
    """Counts finished and rejected photos, and passes that on."""

    def __init__(self, on_progress: OnProgress | None, total: int) -> None:
        self._on_progress, self._total = on_progress, total
        self._started = time.monotonic()
        self._done = self._rejected = 0

    def count(self, *, is_rejected: bool) -> None:
        self._done += 1
        self._rejected += is_rejected
        if self._on_progress:
            self._on_progress(
                Progress(
                    stage="calibrate",
                    done=self._done,
                    total=self._total,
                    rejected=self._rejected,
                    elapsed_s=time.monotonic() - self._started,
                )
            )


def _results(
    client: Any,  # noqa: ANN401
    work: Callable[..., T],
    tasks: Sequence[PhotoTask],
    *args: Any,  # noqa: ANN401
    report: _Reporter | None = None,
) -> Iterator[tuple[str, T]]:
    """`work` of every task by the name of its photo; photos that cannot be scored are left out."""
    for task, result, error in fan_out(client, work, tasks, *args):
        if error is not None and not isinstance(error, _LEFT_OUT):
            raise error
        if report:
            report.count(is_rejected=result is None)
        if result is not None:
            yield task.photo, result
        elif report:
            log.warning("left out %s: %s", task.photo, error)


def _style_reference(pack: StylePack, paintings: str | None) -> StyleReference:
    if paintings is not None:
        folder = open_root(paintings)
        return StyleReference.fit(
            [
                decode(read_bytes(folder / name), max_pixels=MAX_PIXELS).pixels
                for name in list_images(folder)
            ]
        )
    known = pack.path / CALIBRATION_FILE
    if not known.is_file():
        raise CalibrationInputError(
            f"style {pack.name} has no calibration yet: name the folder of its paintings."
        )
    return known_style(known.read_bytes())


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
