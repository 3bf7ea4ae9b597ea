"""How unsteady the output of a shot is, beyond its source: measured frame by frame, nothing is kept.

Columns, all bad when high and 0 at best:

  v_flicker    levels. Second differences in time of 16 px cells, beyond those of the source in the
               output's own contrast. Smooth movement cancels out; colours that jump do not.
  v_shimmer    levels. Change of the output from frame to frame where the source stands still.
  v_lum_drift  levels a second, without sign: slope of mean light of output less source
               (v_lum_drift of research on video style transfer: slow brightening).
  v_stuck      share of steps 0..1 in which the output did not move although its source did:
               dropped or doubled frames.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COLUMNS = ("v_flicker", "v_shimmer", "v_lum_drift", "v_stuck")
_CELL = 16  # pixels
_STILL = 3.0  # levels of change, averaged over 7 x 7 pixels
_LEAST_STILL = 0.01  # share of the picture; below, a frame says nothing of shimmer
_MOVED, _UNMOVED = 1.0, 0.1  # mean levels of change
_LARGEST_CONTRAST = 3.0  # of the output in units of the source's
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


@dataclass(slots=True)
class FlickerMeter:
    """Takes the frames of one shot in order; `columns` can be asked at any time."""

    frames_per_s: float
    _last: deque[tuple[Tensor, Tensor]] = field(default_factory=lambda: deque(maxlen=2))
    _cells: deque[tuple[Tensor, Tensor]] = field(default_factory=lambda: deque(maxlen=3))
    _jumps: list[tuple[float, float, float]] = field(default_factory=list)
    _shimmer: list[float] = field(default_factory=list)
    _light: list[float] = field(default_factory=list)
    _stuck: list[bool] = field(default_factory=list)

    def add(self, source: Tensor, output: Tensor) -> None:
        """The next frame and its output, uint8 `[3, H, W]` both.

        Raises:
            ValueError: They differ in size.

        """
        if source.shape != output.shape:
            raise ValueError(f"a frame is {tuple(source.shape)}, its output {tuple(output.shape)}")
        pair = source.float(), output.float()
        self._light.append(float(((pair[1] - pair[0]) * _LUMA).sum(dim=0).mean()))
        self._last.append(pair)
        self._cells.append((_cells(pair[0]), _cells(pair[1])))
        if len(self._last) == 2:
            self._add_step()
        if len(self._cells) == 3:
            self._add_jump()

    def columns(self) -> dict[str, float]:
        """The columns of all frames so far; 0 where a shot is too short to tell."""
        stuck = float(np.mean(self._stuck)) if self._stuck else 0.0
        shimmer = float(np.mean(self._shimmer)) if self._shimmer else 0.0
        drift = abs(_slope(self._light)) * self.frames_per_s
        values = (self._flicker(), shimmer, drift, stuck)
        return dict(zip(COLUMNS, values, strict=True))

    def _add_step(self) -> None:
        (x0, y0), (x1, y1) = self._last
        moved, changed = (x1 - x0).abs().mean(dim=0), (y1 - y0).abs().mean(dim=0)
        self._stuck.append(bool(moved.mean() > _MOVED and changed.mean() < _UNMOVED))
        grey = (x1 - x0).mean(dim=0).abs()  # of the mean: noise of a sensor is no movement
        around = F.avg_pool2d(grey[None, None], 7, 1, 3, count_include_pad=False)[0, 0]
        still = around < _STILL
        if still.float().mean() >= _LEAST_STILL:
            self._shimmer.append(float(changed[still].mean()))

    def _add_jump(self) -> None:
        (x0, y0), (x1, y1), (x2, y2) = self._cells
        jump_in, jump_out = (x0 - 2 * x1 + x2).abs().mean(), (y0 - 2 * y1 + y2).abs().mean()
        contrast = float(y1.std() / x1.std().clamp_min(1.0)) if x1.numel() > 1 else 1.0
        self._jumps.append((float(jump_in), float(jump_out), contrast))

    def _flicker(self) -> float:
        if not self._jumps:
            return 0.0
        jump_in, jump_out, contrast = np.mean(self._jumps, axis=0)
        return float(max(0.0, jump_out - min(max(contrast, 1.0), _LARGEST_CONTRAST) * jump_in))


def _cells(image: Tensor) -> Tensor:
    size = [min(_CELL, int(side)) for side in image.shape[1:]]
    return F.avg_pool2d(image[None], size)[0]


def _slope(values: list[float]) -> float:
    if len(values) < 3:
        return 0.0
    steps = np.arange(len(values))
    return float(np.polyfit(steps, np.array(values), 1)[0])
