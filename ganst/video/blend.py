"""Outputs of neighbouring frames averaged where the source stands still, or moves as a whole.

A joint bilateral filter along time (Petschnigg 2004, doi:10.1145/1015706.1015777, section 3.1, with
time in place of space): the weights come from the source, which shows what is still, and never from
the output, whose flicker is to go. No optical flow: of all movement only that of the camera is
followed, as a shift by whole pixels (`camera`), and what moves otherwise is left as it is.
"""

from collections import deque
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.video.camera import Region, View, camera_shift, overlap

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
class _Pair:
    """What two frames have in common: where it lies in each, and how alike it is, `[h, w]`."""

    earlier: Region
    later: Region
    weight: Tensor


@dataclass(slots=True)
class _Shown:
    position: int
    view: View
    output: Tensor
    shift: tuple[float, float]  # (down, right) of what is seen, from the frame before
    pairs: dict[int, _Pair]  # with the frames before, by position


@dataclass(slots=True)
class TemporalBlend:
    """Takes the frames of one shot in order and gives them back blended, `radius` frames later."""

    blending: Blending
    _shown: deque[_Shown] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = deque(maxlen=2 * self.blending.radius + 1)

    def add(self, position: int, source: Tensor, output: Tensor) -> None:
        """The next frame and its output, uint8 `[3, H, W]` both."""
        view = View.of(source)
        shift = camera_shift(self._shown[-1].view, view) if self._shown else (0.0, 0.0)
        pairs = self._pairs(position, view, shift)
        self._shown.append(_Shown(position, view, output, shift, pairs))

    def at(self, position: int) -> Tensor:
        """The output of that frame averaged with its neighbours, as far as they have been added."""
        middle = next(shown for shown in self._shown if shown.position == position)
        total, weights = middle.output.float(), torch.ones(middle.output.shape[1:])
        for shown in self._shown:
            if shown.position in middle.pairs:
                pair = middle.pairs[shown.position]
                here, there = pair.later, pair.earlier
            elif position in shown.pairs:
                pair = shown.pairs[position]
                here, there = pair.earlier, pair.later
            else:
                continue
            total[:, *here].addcmul_(shown.output[:, *there].float(), pair.weight)
            weights[here] += pair.weight
        return (total / weights).round().to(torch.uint8)

    def _pairs(self, position: int, view: View, shift: tuple[float, float]) -> dict[int, _Pair]:
        found: dict[int, _Pair] = {}
        down, right = shift
        for shown in reversed(self._shown):
            if position - shown.position > self.blending.radius:
                break
            earlier, later = overlap(view.light, round(down), round(right))
            weight = _stillness(view.light[later], shown.view.light[earlier], self.blending)
            found[shown.position] = _Pair(earlier, later, weight)
            down, right = down + shown.shift[0], right + shown.shift[1]
        return found


def _stillness(a: Tensor, b: Tensor, blending: Blending) -> Tensor:
    """1 where two planes `[H, W]` are alike, falling to 0 at the tolerance."""
    change = (a - b).abs()[None]
    for window in ((_CELL, 1), (1, _CELL)):
        margin = [side // 2 for side in window]
        change = F.avg_pool2d(change, window, 1, margin, count_include_pad=False)
    return (1 - (change[0] / blending.tolerance).square()).clamp_min(0).square()
