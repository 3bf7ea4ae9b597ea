"""Outputs of neighbouring frames averaged along the movement of the source.

A joint bilateral filter along time (Petschnigg 2004, doi:10.1145/1015706.1015777, section 3.1, with
time in place of space): the weights come from the source, which shows what is the same in both
frames, and never from the output, whose flicker is to go. Movement is followed as the source has it
(`flow`), and where the frames differ although it was followed, nothing is averaged.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.video.flow import (
    Sight,
    chained,
    flow,
    flow_back,
    inside,
    made_ready,
    warped,
    warped_sharply,
)

_CELL = 4  # pixels a side, of light as it is looked at, over which a difference is averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Blending:
    """`radius` frames on either side, less where the source differs, none from `tolerance` on.

    `tolerance`: levels of the source's light, averaged over a few pixels.
    """

    radius: int = 1
    tolerance: float = 5.0

    def __post_init__(self) -> None:
        if self.radius < 1 or self.tolerance <= 0:
            raise ValueError(f"radius must be at least 1 and tolerance over 0: got {self}")

    def share(self, distance: int) -> float:
        """Of a frame so far away, the frame itself being 1: binomial weights.

        They take out whatever changes to and fro from frame to frame, and blur the least.
        """
        return math.comb(2 * self.radius, self.radius + distance) / math.comb(
            2 * self.radius, self.radius
        )


@dataclass(slots=True)
class _Shown:
    position: int
    sight: Sight
    output: Tensor  # float32 `[1, 3, H, W]`
    ready: Tensor  # to be warped
    back: Tensor | None  # field to the frame before
    on: Tensor | None = None  # field to the next one


@dataclass(slots=True)
class TemporalBlend:
    """Takes the frames of one shot in order and gives them back blended, `radius` frames later."""

    blending: Blending
    _shown: deque[_Shown] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = deque(maxlen=2 * self.blending.radius + 1)

    def add(self, position: int, source: Tensor, output: Tensor) -> None:
        """The next frame and its output, uint8 `[3, H, W]` both."""
        sight = Sight.of(source)
        back = None
        if self._shown:
            before = self._shown[-1]
            before.on = flow(before.sight, sight)
            back = flow_back(before.sight, sight, before.on)
        levels = output.contiguous().float()[None]  # plane by plane, as fields are
        self._shown.append(_Shown(position, sight, levels, made_ready(levels), back))

    def at(self, position: int) -> Tensor:
        """The output of that frame averaged with its neighbours, as far as they have been added."""
        middle = next(shown for shown in self._shown if shown.position == position)
        total, weights = middle.output, torch.ones(())
        for shown, way in self._neighbours(position):
            weight = _alikeness(middle.sight, shown.sight, way, self.blending)
            weight *= self.blending.share(abs(shown.position - position))
            weight = _enlarged(weight, total)
            # A straight line between pixels blurs strokes, and style is lost: 0.016 of its gain.
            total = torch.addcmul(total, warped_sharply(shown.ready, way), weight)
            weights = weights + weight
        return (total / weights).add_(0.5)[0].clamp_(0, 255).to(torch.uint8)

    def _neighbours(self, position: int) -> Iterator[tuple[_Shown, Tensor]]:
        """Frames up to `radius` away, each with the field that leads there."""
        for step in (-1, 1):
            way: Tensor | None = None
            chain = [s for s in self._shown if step * (s.position - position) >= 0][::step]
            for here, there in pairwise(chain[: self.blending.radius + 1]):
                leap = here.back if step < 0 else here.on
                assert leap is not None
                way = leap if way is None else chained(way, leap)
                yield there, way


def _alikeness(a: Sight, b: Sight, way: Tensor, blending: Blending) -> Tensor:
    """1 where what `way` leads to looks the same, falling to 0 at the tolerance: `[1, 1, h, w]`."""
    off = (a.light[0] - warped(b.light[0], way)).abs()
    off = F.avg_pool2d(off, _CELL, _CELL // 2, _CELL // 4, count_include_pad=False)
    weight = (1 - (off / blending.tolerance).square()).clamp_min(0).square()
    return weight * inside(way, *weight.shape[2:])


def _enlarged(plane: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(plane, size=like.shape[2:], mode="bilinear", align_corners=False)
