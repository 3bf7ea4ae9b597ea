"""Straight lines that no painter draws: seams of tiles, edges of pasted places, blocks of JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.canonical import Canvas

_LAB = torch.tensor([20.0, 10.0, 10.0])[:, None, None]
_NEAR, _FAR = 2, 6  # px from a line at which steps are no longer its own
_SEGMENT = 4  # px of a line that are averaged first
_SAMPLE = 8  # px of a line whose mean step is one sample
_NO_STEP = 0.01
_LEAST_STEP = 0.02
_SHORT = 24  # px
_PERIODS = (3, 5, 6, 7, 8, 9, 10, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeamRule:
    """How much of a line in an output is the photo's: `gain` times what it has within `reach` px.

    A network moves the edges of windows and of type by a pixel or two, and draws them harder than
    they are.
    """

    reach: int
    gain: float


MOVED_LINES = SeamRule(reach=2, gain=1.5)
SAME_LINES = SeamRule(reach=0, gain=1.0)  # of calibrations from before 2026-11-30


def measure_seams(source: Canvas, output: Canvas, rule: SeamRule) -> dict[str, float]:
    """Log of what the strongest straight line, across or down, stands out by; all bad when high.

    `a_seam`, `a_join`: steps of one sign all along a line through the picture, or along 64 px of it,
    in standard errors. `a_edge`: mean step along 24 px, in usual steps. What is the photo's by the
    `rule` is taken off, and what the lines 2 to 6 px away have.
    """
    labs = (source.lab, output.lab)
    turned = (lab.transpose(1, 2).contiguous() for lab in labs)
    segments = [tuple(map(_segments, labs)), tuple(map(_segments, turned))]
    return {
        "a_seam": max(_agreement(a, b, 0, rule) for a, b in segments),
        "a_join": max(_agreement(a, b, 64, rule) for a, b in segments),
        "a_edge": max(_short_edge(a, b, rule) for a, b in segments),
    }


def blocks(tiles: Tensor) -> float:
    """How much kinks of the light gather at one phase of some period of 3 to 16 px (log of z).

    `tiles` are native light `[T, t, t']`; JPEG at low quality leaves a period of 8.
    """
    found = max(_comb(tiles), _comb(tiles.transpose(1, 2)))
    return math.log1p(max(0.0, found))


def _segments(lab: Tensor) -> Tensor:
    """Mean steps across vertical lines along 4 px of each, `[3, h // 4, w - 1]`.

    Every channel is in units of about its noise.
    """
    scaled = lab / _LAB
    steps = scaled[:, :, 1:] - scaled[:, :, :-1]
    return _joined(steps, _SEGMENT)


def _joined(steps: Tensor, length: int) -> Tensor:
    """Means of `length` rows one after the other."""
    rows = steps.shape[1] // length
    return steps[:, : rows * length].unflatten(1, (rows, length)).mean(dim=2)


def _running(samples: Tensor, length: int, stride: int = 1) -> Tensor:
    """Means of `length` rows beginning at every `stride`-th."""
    return samples.unfold(1, length, stride).mean(dim=-1)


def _agreement(source: Tensor, output: Tensor, length: int, rule: SeamRule) -> float:
    a, b = (_standard_errors(segments, length) for segments in (source, output))
    return math.log1p(max(0.0, float(_beyond(a, b, rule).max())))


def _standard_errors(segments: Tensor, length: int) -> Tensor:
    """Mean step along windows of `length` px (0: all) over its standard error: `[k, w - 1]`."""
    samples = _joined(segments, _SAMPLE // _SEGMENT)
    count = min(length // _SAMPLE or samples.shape[1], samples.shape[1])
    mean = _running(samples, count)
    variance = _running(samples**2, count) - mean**2
    errors = (variance.clamp_min(0) / count).sqrt() + _NO_STEP
    return (mean / errors).square().sum(dim=0).sqrt()


def _short_edge(source: Tensor, output: Tensor, rule: SeamRule) -> float:
    a, b = (_short_means(segments) for segments in (source, output))
    usual = 1.48 * float(b.median()) + _LEAST_STEP
    return math.log1p(max(0.0, float(_beyond(a, b, rule).max()) / usual))


def _short_means(segments: Tensor) -> Tensor:
    means = _running(segments, _SHORT // _SEGMENT, _SHORT // _SEGMENT // 2)
    return means.square().sum(dim=0).sqrt()


def _beyond(source: Tensor, output: Tensor, rule: SeamRule) -> Tensor:
    """What lines of the output `[k, w]` stand out by, beyond those of the photo."""
    of_photo = _standing_out(source).clamp_min(0)
    near = F.max_pool1d(of_photo[None], 2 * rule.reach + 1, stride=1, padding=rule.reach)[0]
    return _standing_out(output) - rule.gain * near


def _standing_out(lines: Tensor) -> Tensor:
    """`[k, w]` minus the largest of the lines near by."""
    width = lines.shape[1]
    padded = F.pad(lines[None], (_FAR, _FAR), mode="replicate")
    largest = F.max_pool1d(padded, _FAR - _NEAR + 1, stride=1)[0]
    return lines - torch.maximum(largest[:, :width], largest[:, -width:])


def _comb(tiles: Tensor) -> float:
    steps = tiles[:, :, 1:] - tiles[:, :, :-1]
    kinks = steps[:, :, 1:-1] - 0.5 * (steps[:, :, :-2] + steps[:, :, 2:])
    profile = kinks.abs().mean(dim=1)  # [T, t' - 3]
    profile = torch.log(profile + 1e-3)
    profile = (
        profile
        - F.avg_pool1d(profile[:, None], 33, stride=1, padding=16, count_include_pad=False)[:, 0]
    )
    return max(_phase_z(profile, period) for period in _PERIODS)


def _phase_z(profile: Tensor, period: int) -> float:
    """The phase with the largest mean, in standard errors; the mean over tiles."""
    repeats = profile.shape[1] // period
    folded = profile[:, : repeats * period].reshape(len(profile), repeats, period)
    spread = folded.std(dim=(1, 2)) / math.sqrt(repeats) + 1e-3
    return float((folded.mean(dim=1).amax(dim=1) / spread).mean())
