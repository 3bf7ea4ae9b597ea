"""Colours of an opened image file to 8-bit sRGB: profiles, CMYK, palettes, deep greys, alpha."""

import io
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

# Damaged files made Pillow raise these (27,000 corrupted files), and its readers' ways of saying
# that a chunk is short. The bytes are in memory, so OSError is no disk error here.
OPEN_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    TypeError,
    AttributeError,
    RuntimeError,  # libavif
)
PILLOW_ERRORS = (*OPEN_ERRORS, IndexError, KeyError)


def read_alpha(image: Image.Image) -> Tensor | None:
    """uint8 `[H, W]`, 255 = opaque; None where the file has no transparency."""
    if image.mode in ("RGBA", "LA", "PA"):
        plane = image.getchannel("A")
    elif image.mode in ("RGBa", "La") or "transparency" in image.info:
        if image.mode not in ("1", "L", "RGB", "P", "RGBa", "La"):
            return None  # Pillow has no conversion for a 16-bit key colour
        plane = image.convert("LA" if image.mode == "La" else "RGBA").getchannel("A")
    else:
        return None
    return torch.from_numpy(np.array(plane))


def to_srgb(image: Image.Image, found: str, notes: list[str]) -> Image.Image:
    """Any mode to RGB in sRGB, without alpha; decisions go to `notes`.

    `found` is the file's format: it says what the brightest value of a deep grey is.
    """
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image, found, notes).convert("RGB")
    opaque = _without_alpha(image)
    profile = _profile(image, opaque, notes)
    if profile is not None:
        try:
            return _through_profile(opaque, profile)
        except (ImageCms.PyCMSError, *PILLOW_ERRORS):
            notes.append("colour profile unusable, ignored")
    if opaque.mode == "CMYK":
        notes.append("CMYK without a profile")
    return opaque if opaque.mode == "RGB" else opaque.convert("RGB")


def _without_alpha(image: Image.Image) -> Image.Image:
    """The colours as stored, also below transparent pixels."""
    if image.mode in ("P", "PA"):
        # By way of RGBA where there is transparency: Pillow warns of the direct way.
        has_alpha = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA").convert("RGB") if has_alpha else image.convert("RGB")
    if image.mode in ("RGBA", "RGBa"):
        return image.convert("RGBA").convert("RGB")
    if image.mode in ("LA", "La", "1"):
        return image.convert("LA").convert("L") if image.mode == "La" else image.convert("L")
    return image


def _profile(
    image: Image.Image, opaque: Image.Image, notes: list[str]
) -> ImageCms.ImageCmsProfile | None:
    if opaque.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    raw = image.info.get("icc_profile")
    if not raw:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(raw))
        # sRGB to sRGB would only round.
        is_srgb = "srgb" in ImageCms.getProfileDescription(profile).lower()
    except (ImageCms.PyCMSError, *PILLOW_ERRORS):
        notes.append("colour profile unreadable, ignored")
        return None
    return None if is_srgb and opaque.mode == "RGB" else profile


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        inPlace=image.mode == "RGB",  # a second image of 100 MP would take 400 MB
    )
    return image if converted is None else converted


def _from_deep_grey(image: Image.Image, found: str, notes: list[str]) -> Image.Image:
    """16 bits by their range. 32 bits have no agreed white: stretched from darkest to brightest."""
    values = np.asarray(image).astype(np.float64)
    is_16_bit = image.mode.startswith("I;16") or found in ("PNG", "PPM")
    if is_16_bit and image.mode != "F":
        white, black = 65535.0, 0.0
    else:
        finite = values[np.isfinite(values)]
        black, white = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        notes.append(f"32-bit grey stretched from {black:g}..{white:g}")
    span = max(white - black, np.finfo(np.float64).tiny)
    scaled = np.nan_to_num((values - black) / span * 255, nan=0.0, posinf=255.0, neginf=0.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
