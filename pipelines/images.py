"""Image files to pixels and back.

Pixels are uint8 `[3, H, W]`, RGB, 0..255, upright, sRGB. What cannot be decoded raises
`UndecodableImageError` with one sentence that says why; it never names the file, because the
sentence stands in the file's row.
"""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.errors import UndecodableImageError, UnstylizableImageError
from pipelines.metadata import Labels, keep_exif, label_options, orientation_of
from pipelines.srgb import OPEN_ERRORS, PILLOW_ERRORS, read_alpha, to_srgb

# Our own limit, `max_pixels`, is checked before decoding; Pillow's would reject 180 MP photos.
Image.MAX_IMAGE_PIXELS = None

# Not among them: EPS, which Pillow hands to Ghostscript, and formats without a signature.
# MPO is found by way of JPEG.
_WANTED = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF", "ICO")
Image.init()
_FORMATS = tuple(name for name in _WANTED if name in Image.OPEN)

NO_LABELS = Labels()

_BAND_LINES = 512
_LONGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}
_HEIC_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImage:
    """An image as the rest of the house sees it, and what the file was."""

    pixels: Tensor  # uint8 [3, H, W]
    alpha: Tensor | None  # uint8 [H, W], 255 = opaque
    mode: str  # in the file, in Pillow's words
    format: str  # found in the bytes: "JPEG", "PNG", ...
    notes: tuple[str, ...]  # what decoding decided, e.g. "first of 12 frames"
    exif: bytes | None = None  # the block that an output is to carry


def decode(data: bytes, *, max_pixels: int, max_side: int | None = None) -> DecodedImage:
    """Decode the whole file to upright sRGB, its long side `max_side` px where it is longer.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that still has twice the
    pixels asked for a side.

    Raises:
        UndecodableImageError: Empty, no image, truncated, damaged, or over `max_pixels`.

    """
    image, orientation, size = _decode_stored(data, max_pixels, max_side)
    image = replace(
        image,
        pixels=_turn(image.pixels, orientation),
        alpha=None if image.alpha is None else _turn(image.alpha, orientation),
    )
    return _resize(image, size[::-1] if orientation > 4 else size)


def _decode_stored(
    data: bytes, max_pixels: int, max_side: int | None
) -> tuple[DecodedImage, int, tuple[int, int]]:
    """The image as stored, its EXIF orientation, and the (width, height) to make it as stored."""
    with _opened(data, max_pixels) as image:
        mode, found = image.mode, image.format or "?"
        size = _fitted_size(image.size, max_side)
        try:
            notes = [*_frame_notes(image)]
            if found == "JPEG" and size != image.size:
                image.draft(None, (2 * size[0], 2 * size[1]))
            image.load()  # turns a TIFF by itself, and finds the EXIF block at the end of a PNG
            orientation = _orientation(image, notes)
            exif = keep_exif(image)
            alpha = read_alpha(image)
            rgb = to_srgb(image, found, notes)
        except PILLOW_ERRORS as error:
            raise UndecodableImageError(_why(error, found)) from error
        pixels = _to_planes(rgb)
    image = DecodedImage(
        pixels=pixels, alpha=alpha, mode=mode, format=found, notes=tuple(notes), exif=exif
    )
    return image, orientation, size


def encode(
    pixels: Tensor,
    *,
    format: str,  # noqa: A002
    quality: int = 95,
    subsampling: str = "4:4:4",
    alpha: Tensor | None = None,
    labels: Labels = NO_LABELS,
) -> bytes:
    """uint8 `[3, H, W]` and alpha `[H, W]` to a file: jpeg, png, webp, tiff or bmp, tagged as sRGB.

    JPEG and BMP have no alpha: the image is laid on white. `subsampling` is of JPEG.

    Raises:
        UnstylizableImageError: The format cannot hold an image of this size, or Pillow fails to write it.

    """
    height, width = pixels.shape[1:]
    limit = _LONGEST_SIDE.get(format)
    if limit and max(width, height) > limit:
        raise UnstylizableImageError(
            f"The output is {width}x{height} px, and {format} holds at most {limit} px a side."
        )
    image = _from_planes(pixels)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha.contiguous().numpy()))
    if format in ("jpeg", "bmp") and alpha is not None:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    buffer = io.BytesIO()
    options = _save_options(format, quality, subsampling) | label_options(format, labels)
    try:
        image.save(buffer, format=format, **options)
    except PILLOW_ERRORS as error:  # into memory: it is the image, not the disk
        raise UnstylizableImageError(
            f"The output cannot be written as {format}: {error}."
        ) from error
    return buffer.getvalue()


def shrink(image: DecodedImage, max_side: int | None) -> DecodedImage:
    """Make the long side `max_side` px where it is longer (Lanczos, antialiased)."""
    height, width = image.pixels.shape[1:]
    return _resize(image, _fitted_size((width, height), max_side))


def _fitted_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    width, height = size
    if max_side is None or max(size) <= max_side:
        return size
    scale = max_side / max(size)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resize(image: DecodedImage, size: tuple[int, int]) -> DecodedImage:
    if image.pixels.shape[:0:-1] == size:
        return image
    planes = [*image.pixels] if image.alpha is None else [*image.pixels, image.alpha]
    small = [_resize_plane(plane, size) for plane in planes]
    alpha = None if image.alpha is None else small[3]
    return replace(image, pixels=torch.stack(small[:3]), alpha=alpha)


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """The image after its header, warnings off: Pillow warns of what ends as a row or a note."""
    if not data:
        raise UndecodableImageError("The file is empty (0 bytes).")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except OPEN_ERRORS as error:
            raise UndecodableImageError(_not_an_image(data)) from error
        with image:
            num_pixels = image.width * image.height
            if num_pixels > max_pixels:
                raise UndecodableImageError(
                    f"The image is {image.width}x{image.height} px ({num_pixels / 1e6:.0f} MP),"
                    f" over the limit of {max_pixels / 1e6:g} MP (--max-pixels)."
                )
            yield image


def _not_an_image(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "The file is HEIC, which is not supported: convert it to JPEG first."
    if not any(data):
        return f"The file holds nothing but zero bytes ({len(data)} of them)."
    start = ascii(data[:12].decode("latin-1"))
    return f"The file is not an image of a known format (it starts with {start})."


def _why(error: Exception, found: str) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"The {found} file is truncated ({text or 'it ends too early'})."
    return f"The {found} file is damaged ({type(error).__name__}: {text})."


def _frame_notes(image: Image.Image) -> Iterator[str]:
    num_frames = getattr(image, "n_frames", 1)
    if num_frames > 1:
        words = {"TIFF": "pages", "MPO": "pictures"}.get(image.format or "", "frames")
        image.seek(0)
        yield f"first of {num_frames} {words}"


def _orientation(image: Image.Image, notes: list[str]) -> int:
    try:
        return orientation_of(image)
    except PILLOW_ERRORS:
        notes.append("EXIF unreadable, orientation ignored")
        return 1


def _turn(planes: Tensor, orientation: int) -> Tensor:
    """`[..., H, W]` as stored to upright, by the EXIF orientation."""
    if orientation == 1:
        return planes
    if orientation > 4:
        planes = planes.transpose(-1, -2)
    flips = {2: (-1,), 3: (-1, -2), 4: (-2,), 6: (-1,), 7: (-1, -2), 8: (-2,)}
    return planes.flip(flips.get(orientation, ())).contiguous()


def _to_planes(image: Image.Image) -> Tensor:
    """uint8 `[3, H, W]`; by bands, because Pillow's image and a second copy would be much at 100 MP."""
    planes = torch.empty((3, image.height, image.width), dtype=torch.uint8)
    for top in range(0, image.height, _BAND_LINES):
        bottom = min(top + _BAND_LINES, image.height)
        band = image.crop((0, top, image.width, bottom))
        channels = [np.asarray(channel) for channel in band.split()]
        planes[:, top:bottom] = torch.from_numpy(np.stack(channels))
    return planes


def _from_planes(planes: Tensor) -> Image.Image:
    """RGB; Pillow interleaves planes itself, without a copy of them."""
    if planes.stride(0) == 1:  # they are interleaved
        return Image.fromarray(planes.permute(1, 2, 0).contiguous().numpy())
    return Image.merge("RGB", [Image.fromarray(plane.contiguous().numpy()) for plane in planes])


def _resize_plane(plane: Tensor, size: tuple[int, int]) -> Tensor:
    resized = Image.fromarray(plane.contiguous().numpy()).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized))


def _save_options(name: str, quality: int, subsampling: str) -> dict[str, object]:
    options: dict[str, dict[str, object]] = {
        "jpeg": {"quality": quality, "subsampling": subsampling},
        "webp": {"quality": quality},
        # Strokes repeat themselves no more than noise does: a search for repetitions takes twice the
        # time of runs alone, and the files are not smaller.
        "png": {"compress_level": 1, "compress_type": zlib.Z_RLE},
        "tiff": {"compression": "tiff_lzw"},
        "bmp": {},
    }
    return options[name]
