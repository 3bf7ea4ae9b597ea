"""What an output says about itself: EXIF of its photo, its colour space, and what made it.

Kept are EXIF and GPS tags. Not kept: orientation (the pixels are upright), the embedded preview
(it shows the photo), XMP and IPTC (they repeat EXIF, and would have to be edited with it).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from pipelines.srgb import PILLOW_ERRORS

_ORIENTATION, _SOFTWARE, _EXIF_IFD, _GPS_IFD = 0x0112, 0x0131, 0x8769, 0x8825
_WIDTH, _HEIGHT, _MAKER_NOTE = 0xA002, 0xA003, 0x927C
# Of the first directory only what describes the photo: in a TIFF the rest describes its own bytes.
_DESCRIBES = frozenset(
    {0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0132, 0x013B, 0x013C, 0x8298, 0x4746}
    | set(range(0x9C9B, 0x9CA0))  # title, comment, author, keywords, subject as Windows writes them
)
# A JPEG segment holds 65,533 bytes, six of which say that it is EXIF.
_EXIF_LIMIT = 65_527
Tags = tuple[dict[int, Any], dict[int, Any], dict[int, Any]]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is written beside the pixels of an output."""

    exif: bytes | None = None
    software: str | None = None


def orientation_of(image: Image.Image) -> int:
    """1 to 8 as EXIF has it; 1 where it says nothing of the kind.

    Raises:
        Exception: One of `srgb.PILLOW_ERRORS`: the block cannot be read.

    """
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def keep_exif(image: Image.Image) -> bytes | None:
    """The EXIF block that its output is to carry; None where there is none that can be read."""
    try:
        return _write(_read(image.getexif()))
    except PILLOW_ERRORS:
        return None


def make_exif(
    exif: bytes | None, size: tuple[int, int], software: str | None, *, strip_location: bool
) -> bytes | None:
    """The block of an output of `size` (width, height) made by `software`; None: nothing to say."""
    block = Image.Exif()
    if exif:
        block.load(exif)
    top, details, location = _read(block)
    if software:
        top[_SOFTWARE] = software
    details |= {
        tag: side for tag, side in zip((_WIDTH, _HEIGHT), size, strict=True) if tag in details
    }
    short = {tag: value for tag, value in details.items() if tag != _MAKER_NOTE}
    where = {} if strip_location else location
    for tags in ((top, details, where), (top, short, where), (top, {}, where)):
        written = _write(tags)
        if written is None or len(written) <= _EXIF_LIMIT:
            return written
    return None


def label_options(format_name: str, labels: Labels) -> dict[str, object]:
    """What Pillow's `save` takes for that; BMP can say nothing."""
    if format_name == "bmp":
        return {}
    options: dict[str, object] = {"icc_profile": srgb_profile()}
    if labels.exif:
        options["exif"] = _first_directory(labels.exif) if format_name == "tiff" else labels.exif
    if format_name == "png" and labels.software:
        text = PngInfo()
        text.add_text("Software", labels.software)
        options["pnginfo"] = text
    return options


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, the same bytes on every day."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # when it was made: now
    return bytes(profile)


def _first_directory(exif: bytes) -> bytes | None:
    """libtiff, which compresses TIFF files, writes no others."""
    block = Image.Exif()
    block.load(exif)
    top = {tag: value for tag, value in block.items() if tag not in (_EXIF_IFD, _GPS_IFD)}
    return _write((top, {}, {}))


def _read(block: Image.Exif) -> Tags:
    """The tags that are kept: of the first directory, of the camera's, of the place."""
    top = {tag: value for tag, value in block.items() if tag in _DESCRIBES}
    return top, dict(block.get_ifd(_EXIF_IFD)), dict(block.get_ifd(_GPS_IFD))


def _write(tags: Tags) -> bytes | None:
    top, details, location = tags
    block = Image.Exif()
    for tag, value in (top | {_EXIF_IFD: details, _GPS_IFD: location}).items():
        if value != {}:
            block[tag] = value
    return block.tobytes() if len(block) else None
