"""Photos and paintings off the disk, checked before an hour of training is spent on them."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ganst.errors import TrainingError
from ganst.exposure import in_good_light
from ganst.training.config import TrainConfig
from pipelines.errors import UndecodableImageError
from pipelines.images import decode

_log = logging.getLogger(__name__)
_MAX_PIXELS = 200_000_000
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
_HOLD_BACK_EVERY = 8
_FEW_PHOTOS, _FEW_PAINTINGS = 8, 16  # too few to do without one of eight
_SINGLE_ZOOM = 2.0
_SINGLE_AUGMENT_PROBABILITY = 0.9


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded file: uint8 `[3, H, W]`, and the SHA-256 of its bytes."""

    path: Path
    sha256: str
    pixels: Tensor


def read_pictures(place: Path, *, smallest_side_px: int) -> list[Picture]:
    """Decode all pictures below a folder, or one file; what cannot be used is logged and left out.

    Raises:
        TrainingError: No usable picture is left.

    """
    if not place.exists():
        raise TrainingError(f"{place} is neither a folder nor a picture")
    found = [_read(path, smallest_side_px) for path in _paths(place)]
    pictures = [picture for picture in found if isinstance(picture, Picture)]
    if pictures:
        return pictures
    why = found[0] if found else "there is no picture in it"
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise TrainingError(
        f"{place} holds no usable picture of at least {smallest_side_px} pixels a side: {why}{others}"
    )


def check_apart(photos: Sequence[Picture], paintings: Sequence[Picture]) -> None:
    """Refuse the same file among photos and paintings: there would be nothing to learn.

    Raises:
        TrainingError: Naming the file.

    """
    by_bytes = {photo.sha256: photo.path for photo in photos}
    same = [painting for painting in paintings if painting.sha256 in by_bytes]
    if same:
        raise TrainingError(
            f"{len(same)} of {len(paintings)} paintings are among the photos: "
            f"{same[0].path} is {by_bytes[same[0].sha256]}"
        )


def hold_back(
    photos: Sequence[Picture], paintings: Sequence[Picture]
) -> tuple[list[Picture], list[Picture], list[Picture], list[Picture]]:
    """Photos and paintings to train on, then those to evaluate on.

    One of eight is held back where there are enough; of a few pictures all serve for both.
    """
    train_photos, held_photos = _split(photos, _FEW_PHOTOS)
    train_paintings, held_paintings = _split(paintings, _FEW_PAINTINGS)
    return train_photos, train_paintings, held_photos, held_paintings


def fit_to_data(config: TrainConfig, paintings: Sequence[Picture]) -> TrainConfig:
    """A single painting is seen at every scale it has, and harder augmented: it is soon known by heart."""
    if len(paintings) > 1:
        return config
    shortest = min(min(paintings[0].pixels.shape[-2:]), config.largest_side_px)
    zoom = (min(config.crop_px / shortest, 1.0), _SINGLE_ZOOM)
    probability = max(config.augment_probability, _SINGLE_AUGMENT_PROBABILITY)
    return replace(config, painting_zoom=zoom, augment_probability=probability)


def all_in_good_light(photos: Sequence[Picture]) -> list[Picture]:
    """Dark photos as light as a network that keeps exposure is shown them when it is used."""
    return [replace(photo, pixels=in_good_light(photo.pixels)[0]) for photo in photos]


def digest(pictures: Sequence[Picture]) -> str:
    """16 hex digits over the bytes of the pictures, in their order."""
    total = hashlib.sha256("".join(picture.sha256 for picture in pictures).encode())
    return total.hexdigest()[:16]


def _paths(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.suffix.lower() in _SUFFIXES)


def _read(path: Path, smallest_side_px: int) -> Picture | str:
    """The picture, or a sentence why not."""
    data = path.read_bytes()
    try:
        pixels = decode(data, max_pixels=_MAX_PIXELS).pixels
    except UndecodableImageError as error:
        why = f"{path}: {error}"
    else:
        if min(pixels.shape[-2:]) >= smallest_side_px:
            return Picture(path, hashlib.sha256(data).hexdigest(), pixels)
        size = f"{pixels.shape[-1]}x{pixels.shape[-2]}"
        why = f"{path}: {size} is smaller than {smallest_side_px} pixels"
    _log.warning("left out %s", why)
    return why


def _split(pictures: Sequence[Picture], few: int) -> tuple[list[Picture], list[Picture]]:
    if len(pictures) < few:
        return list(pictures), list(pictures)
    held = list(pictures[::_HOLD_BACK_EVERY])
    kept = [picture for n, picture in enumerate(pictures) if n % _HOLD_BACK_EVERY]
    return kept, held
