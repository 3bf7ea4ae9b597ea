"""Variants of one photo that widen what a calibration has seen: sizes, shapes, light and colour.

A calibration on one folder of landscapes would call every portrait, night shot or large file
anomalous. Windows come from the mirrored photo, so that large views keep the pixel-level detail of
a real file; all views of a photo stay in its group.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.canonical import blur

_SHORT_SIDES = (100.0, 800.0)
_MAX_PIXELS = 640_000
_LARGE_SIDES = (800.0, 1700.0)
_LARGE_PIXELS = 3_000_000


def widen(pixels: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Return `count` views of uint8 `[3, H, W]`: the photo itself first, then random variants."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    return [pixels, *(_variant(pixels, index, generator) for index in range(count - 1))]


def enlarge(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """The photo, or a part of its mirrored plane, as a file of a camera: short side 800 to 1700 px.

    Strokes have their size in pixels, so an output of a large photo, seen small, looks more like the
    photo. Without such views all outputs of photos of 1600 px were flagged.
    """
    low, high = _LARGE_SIDES
    short = low * (high / low) ** _uniform(generator)
    aspect = min(2.0, max(pixels.shape[1:]) / min(pixels.shape[1:]))
    short = min(short, math.sqrt(_LARGE_PIXELS / aspect))
    sides = round(short), round(short * aspect)
    height, width = sides if pixels.shape[1] <= pixels.shape[2] else sides[::-1]
    zoom = short / min(pixels.shape[1:]) * 2 ** _between(generator, -1, 0)
    plane = _mirror(pixels, math.ceil(height / zoom), math.ceil(width / zoom), generator)
    return F.interpolate(plane[None], size=(height, width), mode="bicubic", antialias=True)[0]


def _variant(pixels: Tensor, index: int, generator: torch.Generator) -> Tensor:
    """A window; from the second on in other light, colours, focus, or cut out of its background."""
    image = _window(pixels, generator).float() / 255
    if index > 0:
        for change, chance in _CHANGES:
            if _uniform(generator) < chance:
                image = change(image, generator).clamp(0, 1)
    return (image * 255).round().to(torch.uint8)


def _window(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A window of random size, shape and zoom out of the mirrored plane."""
    low, high = _SHORT_SIDES
    short = low * (high / low) ** _uniform(generator)
    aspect = math.exp(_between(generator, -0.7, 0.7))
    height, width = short * max(1.0, 1 / aspect), short * max(1.0, aspect)
    shrink = min(1.0, math.sqrt(_MAX_PIXELS / (height * width)))
    height, width = round(height * shrink), round(width * shrink)
    zoom = 2 ** _between(generator, -0.7, 0.7)
    plane = _mirror(pixels, math.ceil(height / zoom), math.ceil(width / zoom), generator)
    return F.interpolate(plane[None], size=(height, width), mode="bicubic", antialias=True)[0]


def _mirror(pixels: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Cut `[3, height, width]` from the plane that repeats the photo in mirror image."""
    rows = _mirror_index(pixels.shape[1], height, generator)
    cols = _mirror_index(pixels.shape[2], width, generator)
    return pixels[:, rows][:, :, cols]


def _mirror_index(length: int, wanted: int, generator: torch.Generator) -> Tensor:
    start = math.floor(
        _uniform(generator) * max(length - wanted, 0 if wanted <= length else length)
    )
    position = (torch.arange(wanted) + start) % (2 * length)
    return torch.where(position < length, position, 2 * length - 1 - position)


def _relight(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another gamma, exposure and white balance."""
    image = image ** math.exp(_between(generator, -0.5, 0.8))
    gains = torch.exp((torch.rand(3, generator=generator) - 0.5) * 0.5)
    return image * gains[:, None, None] * math.exp(_between(generator, -0.6, 0.3))


def _recolour(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another hue and saturation: landscapes hold little of a parrot's green or a logo's red."""
    angle, strength = _between(generator, -math.pi, math.pi), _between(generator, 0.5, 2.5)
    chroma = torch.einsum("ij,jhw->ihw", _TO_CHROMA, image)
    turned = torch.stack(
        [
            math.cos(angle) * chroma[0] - math.sin(angle) * chroma[1],
            math.sin(angle) * chroma[0] + math.cos(angle) * chroma[1],
        ]
    )
    grey = torch.einsum("j,jhw->hw", _LUMA, image)
    return grey + strength * torch.einsum("ij,jhw->ihw", torch.linalg.pinv(_TO_CHROMA), turned)


def _grey(image: Tensor, generator: torch.Generator) -> Tensor:
    """Black and white, toned in one of five."""
    grey = torch.einsum("j,jhw->hw", _LUMA, image).expand_as(image)
    tone = torch.tensor([1.08, 1.0, 0.85]) if _uniform(generator) < 0.2 else torch.ones(3)
    return grey * tone[:, None, None]


def _defocus(image: Tensor, generator: torch.Generator) -> Tensor:
    """A sharp subject before a soft background, as a long lens gives it."""
    sigma = _between(generator, 0.01, 0.03) * min(image.shape[1:])
    subject = _subject(image, generator)
    return subject * image + (1 - subject) * blur(image, sigma)


def _cut_out(image: Tensor, generator: torch.Generator) -> Tensor:
    """The subject before a plain wall: white, black or a colour."""
    colours = (torch.ones(3), torch.zeros(3), torch.rand(3, generator=generator))
    wall = colours[int(3 * _uniform(generator))][:, None, None]
    subject = _subject(image, generator)
    return subject * image + (1 - subject) * wall


def _drawn(image: Tensor, generator: torch.Generator) -> Tensor:
    """Ink on paper: the outlines of the photo and nothing else."""
    grey = torch.einsum("j,jhw->hw", _LUMA, image)[None]
    size = _between(generator, 0.8, 2.5)
    outline = (blur(grey, 1.6 * size) - blur(grey, size)).clamp_min(0)
    ink = (_between(generator, 8, 40) * outline).clamp(0, 1)
    paper = 1 - 0.15 * torch.rand(3, generator=generator)[:, None, None]
    return paper * (1 - ink)


def _lettered(image: Tensor, generator: torch.Generator) -> Tensor:
    """Writing over a part of the photo, dark on light or the other way round."""
    height, width = image.shape[1:]
    is_type = _uniform(generator) < 0.5
    marks = (_type if is_type else _handwriting)(height, width, generator)
    ink, paper = (0.05, 0.97) if _uniform(generator) < 0.7 else (0.97, 0.05)
    written = (paper + (ink - paper) * marks).expand_as(image)
    start = _between(generator, -0.2, 0.7) * height
    sharpness = 4.0 if is_type else 40 / height
    share = torch.sigmoid((torch.arange(height)[:, None] - start) * sharpness)
    return share * written + (1 - share) * image


def _handwriting(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Lines of soft strokes, 1 where there is ink, `[h, w]`."""
    line = _between(generator, 0.04, 0.12) * min(height, width)
    coarse = torch.randn(
        1, 1, round(6 * height / line), round(5 * width / line), generator=generator
    )
    strokes = F.interpolate(coarse, size=(height, width), mode="bicubic")[0, 0]
    rows, cols = torch.arange(height)[:, None], torch.arange(width)[None, :]
    slope = _between(generator, -0.03, 0.03)
    in_line = torch.sin(2 * math.pi * (rows + slope * cols) / line)
    return torch.sigmoid(30 * (strokes * in_line.clamp_min(0) - 0.25))


def _type(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Lines of letters of 5 x 7 random dots, 1 where there is ink, `[h, w]`."""
    dot = max(1.0, _between(generator, 0.003, 0.012) * min(height, width))
    rows, cols = torch.arange(round(height / dot)), torch.arange(round(width / dot))
    dots = torch.rand(len(rows), len(cols), generator=generator) < 0.55
    letters = torch.rand(len(rows) // 12 + 1, len(cols) // 6 + 1, generator=generator) < 0.85
    is_in_letter = letters[rows // 12][:, cols // 6] & (rows % 12 < 7)[:, None] & (cols % 6 < 5)
    return F.interpolate((dots & is_in_letter)[None, None].float(), size=(height, width))[0, 0]


def _subject(image: Tensor, generator: torch.Generator) -> Tensor:
    """A soft-edged ellipse somewhere near the middle, 0..1, `[h, w]`."""
    height, width = image.shape[1:]
    rows = torch.linspace(-1, 1, height)[:, None] - _between(generator, -0.4, 0.4)
    cols = torch.linspace(-1, 1, width)[None, :] - _between(generator, -0.4, 0.4)
    tall, wide = _between(generator, 0.4, 0.9), _between(generator, 0.4, 0.9)
    distance = torch.sqrt((rows / tall) ** 2 + (cols / wide) ** 2)
    return torch.sigmoid((1 - distance) * _between(generator, 8, 40))


_LUMA = torch.tensor([0.299, 0.587, 0.114])
_TO_CHROMA = torch.tensor([[0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])  # YIQ
_CHANGES = (
    (_relight, 0.5),
    (_recolour, 0.4),
    (_grey, 0.1),
    (_defocus, 0.2),
    (_cut_out, 0.15),
    (_drawn, 0.05),
    (_lettered, 0.05),
)


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _between(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * _uniform(generator)
