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

_SHORT_SIDES = (160.0, 800.0)
_MAX_PIXELS = 900_000


def widen(pixels: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Return `count` views of uint8 `[3, H, W]`: the photo itself first, then random variants."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    return [pixels, *(_variant(pixels, index, generator) for index in range(count - 1))]


def _variant(pixels: Tensor, index: int, generator: torch.Generator) -> Tensor:
    window = _window(pixels, generator)
    if index % 2 == 0:
        return window
    return _relight(window, generator)


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


def _relight(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Change exposure, gamma, white balance and saturation; one in five becomes grey."""
    image = pixels.float() / 255
    image = image ** math.exp(_between(generator, -0.5, 0.8))
    gains = torch.exp((torch.rand(3, generator=generator) - 0.5) * 0.5)
    image = image * gains[:, None, None] * math.exp(_between(generator, -0.6, 0.3))
    grey = image.mean(dim=0, keepdim=True)
    saturation = 0.0 if _uniform(generator) < 0.2 else _between(generator, 0.3, 1.7)
    return ((grey + saturation * (image - grey)).clamp(0, 1) * 255).round().to(torch.uint8)


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _between(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * _uniform(generator)
