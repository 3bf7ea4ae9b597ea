"""Dark photos: brought to the light that a network was trained in, and their paintings back to the dark.

Instance norm takes the exposure out of a photo before anything is painted: a network with it lays strokes of
full strength over a scene that is all but black, and colours glow where it is night. Divided by its exposure
before the network, and its output multiplied by it, the painting of a dimmer photo is a dimmer painting.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ganst.pixels import looked_up

# What a photo is to reach in one of twenty values; nine of ten that the bundled styles learnt from do.
_BRIGHT, _SHARE = 0.7, 0.95
_DARKEST = 0.15  # beyond, the noise of the darkest levels would be painted
_NOT_BLACK = 4  # the least level that a JPEG of quality 95 does not round to black
_SAMPLED_PIXELS = 65_536
_CHUNK_LINES = 256  # in wider numbers a whole photo of 100 megapixels would take a gigabyte


def exposure_of(pixels: Tensor) -> float:
    """How bright uint8 `[3, H, W]` is, 0.15 to 1: the 95th percentile of its values over 0.7 of white.

    A quantile and not a mean: a face before a black wall is well exposed. It is counted in whole
    numbers, on a grid of 65,536 pixels, and is the same however many threads do it.
    """
    step = math.ceil(math.sqrt(pixels[0].numel() / _SAMPLED_PIXELS))
    counts = torch.bincount(pixels[:, ::step, ::step].flatten(), minlength=256).cumsum(0)
    level = int((counts >= _SHARE * counts[-1]).int().argmax())
    return min(1.0, max(level / (255 * _BRIGHT), _DARKEST))


def brightened(pixels: Tensor, exposure: float) -> Tensor:
    """Uint8 `[3, H, W]` over its exposure; what is brighter than that becomes white."""
    if exposure == 1:
        return pixels
    levels = (torch.arange(256, dtype=torch.float64) / exposure).round().clamp_max(255)
    return _by_chunks(partial(looked_up, levels.to(torch.uint8)), pixels)


def in_good_light(photo: Tensor, *outputs: Tensor) -> tuple[Tensor, ...]:
    """A photo as a network that keeps exposure is shown it, and outputs as they came from there."""
    exposure = exposure_of(photo)
    return tuple(brightened(image, exposure) for image in (photo, *outputs))


def darkened(painting: Tensor, source: Tensor, exposure: float) -> Tensor:
    """The painting of `brightened(source, exposure)` as dark as `source`, uint8 `[3, H, W]` all.

    Lamps in the night are brighter than its exposure; what they have over it comes on top. What is not
    black in the painting does not become it, here or in the file: strokes in the shadows would be lost for good.
    """
    if exposure == 1:
        return painting
    return _by_chunks(partial(_darkened, exposure=exposure), painting, source)


def _darkened(painting: Tensor, source: Tensor, exposure: float) -> Tensor:
    over = (source.float() - 255 * exposure).clamp_min_(0)
    levels = (exposure * painting.float()).add_(over).add_(0.5).clamp_max_(255).to(torch.uint8)
    return levels.maximum(painting.clamp_max(_NOT_BLACK))


def _by_chunks(curve: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """`curve` of some lines of the images at a time."""
    result = torch.empty_like(images[0])
    for target, *lines in zip(
        *(image.split(_CHUNK_LINES, dim=1) for image in (result, *images)), strict=True
    ):
        target.copy_(curve(*lines))
    return result
