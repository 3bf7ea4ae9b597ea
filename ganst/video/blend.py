"""Outputs of neighbouring frames averaged where the source stands still.

A joint bilateral filter along time (Petschnigg 2004, doi:10.1145/1015706.1015777, section 3.1, with
time in place of space): the weights come from the source, which shows what is still, and never from
the output, whose flicker is to go. No optical flow: what moves is left as it is.
"""

from collections import deque
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

_CELL = 7  # pixels a side over which the change of the source is averaged: noise is no movement


@dataclass(frozen=True, slots=True, kw_only=True)
class Blending:
    """`radius` frames on either side, less where the source changes, none from `tolerance` on.

    `tolerance`: levels of the source's change, averaged over a few pixels.
    """

    radius: int = 2
    tolerance: float = 5.0

    def __post_init__(self) -> None:
        if self.radius < 1 or self.tolerance <= 0:
            raise ValueError(f"radius must be at least 1 and tolerance over 0: got {self}")


@dataclass(slots=True)
class _Shown:
    position: int
    light: Tensor  # of the source, `[1, H, W]`
    output: Tensor
    weights: dict[int, Tensor]  # `[H, W]` of the frames before, by position


@dataclass(slots=True)
class TemporalBlend:
    """Takes the frames of one shot in order and gives them back blended, `radius` frames later."""

    blending: Blending
    _shown: deque[_Shown] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = deque(maxlen=2 * self.blending.radius + 1)

    def add(self, position: int, source: Tensor, output: Tensor) -> None:
        """The next frame and its output, uint8 `[3, H, W]` both."""
        light = source.float().mean(dim=0, keepdim=True)
        weights = {
            shown.position: _stillness(light, shown.light, self.blending.tolerance)
            for shown in self._shown
            if position - shown.position <= self.blending.radius
        }
        self._shown.append(_Shown(position, light, output, weights))

    def at(self, position: int) -> Tensor:
        """The output of that frame averaged with its neighbours, as far as they have been added."""
        middle = next(shown for shown in self._shown if shown.position == position)
        total, weights = middle.output.float(), torch.ones(middle.output.shape[1:])
        for shown in self._shown:
            later, earlier = (shown, middle) if shown.position > position else (middle, shown)
            weight = later.weights.get(earlier.position)
            if weight is not None:
                total = torch.addcmul(total, shown.output.float(), weight)
                weights = weights + weight
        return (total / weights).round().to(torch.uint8)


def _stillness(a: Tensor, b: Tensor, tolerance: float) -> Tensor:
    """1 where two frames are alike, falling to 0 at `tolerance`: `[1, H, W]` planes -> `[H, W]`."""
    change = (a - b).abs()
    for window in ((_CELL, 1), (1, _CELL)):
        margin = [side // 2 for side in window]
        change = F.avg_pool2d(change, window, 1, margin, count_include_pad=False)
    return (1 - (change[0] / tolerance).square()).clamp_min(0).square()
