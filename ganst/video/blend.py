"""Outputs of neighbouring frames averaged where the source stands still.

A joint bilateral filter along time (Petschnigg 2004, doi:10.1145/1015706.1015777, section 3.1, with
time in place of space): the weights come from the source, which shows what is still, and never from
the output, whose flicker is to go. No optical flow: what moves is left as it is.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 2  # frames on either side
_CELL = 7  # pixels a side over which the change of the source is averaged: noise is no movement
_TOLERANCE = 5.0  # levels of change at which a neighbour counts nothing any more


def blend(
    sources: Sequence[Tensor], outputs: Sequence[Tensor], middle: int, tolerance: float = _TOLERANCE
) -> Tensor:
    """Output `middle` averaged with its neighbours, uint8 `[3, H, W]` each and for the result.

    Args:
        sources: Frames of one shot in order; the neighbours of `middle` are `RADIUS` on either side,
            fewer at the ends of the shot.
        outputs: Their outputs, of the same sizes.
        middle: Which of them.
        tolerance: Levels of the source's change, averaged over a few pixels, that end the blend.

    """
    total = outputs[middle].float()
    weights = torch.ones(total.shape[1:])
    light = _light(sources[middle])
    for index, (source, output) in enumerate(zip(sources, outputs, strict=True)):
        if index == middle:
            continue
        weight = _stillness(light, _light(source), tolerance)
        total = total + weight * output
        weights = weights + weight
    return (total / weights).round().to(torch.uint8)


def _stillness(a: Tensor, b: Tensor, tolerance: float) -> Tensor:
    """1 where two frames are alike, falling to 0 at `tolerance`: `[1, H, W]` planes -> `[H, W]`."""
    change = F.avg_pool2d((a - b)[None].abs(), _CELL, 1, _CELL // 2, count_include_pad=False)
    return (1 - (change[0, 0] / tolerance).square()).clamp_min(0).square()


def _light(image: Tensor) -> Tensor:
    return image.float().mean(dim=0, keepdim=True)
