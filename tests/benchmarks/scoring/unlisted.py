"""Kinds of faults that neither the issue nor the catalog lists: nothing was taught or chosen by name.

Most of them are small or in one place: a tenth to a quarter of each side where `patch` has half.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur, native_light
from ganst.scoring.faults import fitted, on_scale, to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ganst.scoring.faults import Case, Fault

_LEVELS = (8, 6, 5, 4, 3)


def _in_place(wrong: Callable[[Case], Tensor], mild: float, strong: float) -> Fault:
    """`wrong` of the output in a rectangle of `mild` to `strong` of each side, anywhere."""

    def fault(case: Case, severity: float) -> Tensor:
        rows, cols = _rectangle(case, on_scale(severity, mild, strong))
        output = case.output.clone()
        output[:, rows, cols] = to_pixels(wrong(case).float())[:, rows, cols]
        return output

    return fault


def _noisy(case: Case) -> Tensor:
    return case.output.float() + 25 * torch.randn(case.output.shape, generator=case.generator)


def _tinted(case: Case) -> Tensor:
    return case.output.float() * torch.tensor([1.25, 1.0, 0.75])[:, None, None]


def _coarse(case: Case) -> Tensor:
    small = F.avg_pool2d(case.output[None].float(), 8, ceil_mode=True)
    return F.interpolate(small, size=case.output.shape[1:])[0]


def ghost(case: Case, severity: float) -> Tensor:
    """Seen twice, 1 % to 6 % of the short side apart."""
    step = 1 + round(on_scale(severity, 0.01, 0.06) * min(case.output.shape[1:]))
    return to_pixels(0.5 * case.output.float() + 0.5 * case.output.roll(step, 2).float())


def posterized(case: Case, severity: float) -> Tensor:
    """8 to 3 levels a channel."""
    on_scale(severity, 0, 1)
    steps = _LEVELS[int(severity) - 1] - 1
    return to_pixels((case.output.float() / 255 * steps).round() * 255 / steps)


def scan_lines(case: Case, severity: float) -> Tensor:
    """1 to 12 rows of one level."""
    output = case.output.clone()
    for _ in range(round(on_scale(severity, 1, 12))):
        output[:, _below(case, output.shape[1])] = _below(case, 256)
    return output


def motion_blur(case: Case, severity: float) -> Tensor:
    """Averaged across 5 to 25 px."""
    reach = round(on_scale(severity, 2, 12))
    wide = F.pad(case.output[None].float(), (reach, reach, 0, 0), mode="reflect")
    return to_pixels(F.avg_pool2d(wide, (1, 2 * reach + 1), 1)[0])


def displaced(case: Case, severity: float) -> Tensor:
    """Moved by 1 % to 10 % of the short side, round the border."""
    step = 1 + round(on_scale(severity, 0.01, 0.1) * min(case.output.shape[1:]))
    return case.output.roll((step, step), (1, 2))


def mirrored(case: Case, severity: float) -> Tensor:
    """Left and right exchanged, whatever the severity."""
    on_scale(severity, 0, 1)
    return case.output.flip(2)


def pepper(case: Case, severity: float) -> Tensor:
    """0.4 % to 10 % of the pixels black or white."""
    drawn = torch.rand(case.output.shape[1:], generator=case.generator)
    share = on_scale(severity, 0.002, 0.05)
    output = case.output.clone()
    output[:, drawn < share], output[:, drawn > 1 - share] = 0, 255
    return output


def hue(case: Case, severity: float) -> Tensor:
    """All hues turned by 17 to 178 degrees."""
    angle = on_scale(severity, 0.3, 3.1)
    grey = 255 * native_light(case.output)
    colour = case.output.float() - grey
    axis = torch.full((3, 1, 1), 3**-0.5)
    turned = math.cos(angle) * colour + math.sin(angle) * torch.cross(
        axis.expand_as(colour), colour, dim=0
    )
    along = axis * (axis * colour).sum(dim=0)
    return to_pixels(grey + turned + (1 - math.cos(angle)) * along)


def vignette(case: Case, severity: float) -> Tensor:
    """Corners darker by 20 % to all."""
    height, width = case.output.shape[1:]
    squared = torch.linspace(-1, 1, height)[:, None] ** 2 + torch.linspace(-1, 1, width) ** 2
    return to_pixels(case.output.float() * (1 - on_scale(severity, 0.1, 0.5) * squared))


def cloned(case: Case, severity: float) -> Tensor:
    """A rectangle of 12 % to 50 % of each side from elsewhere in the output."""
    share = on_scale(severity, 0.12, 0.5)
    (rows, cols), (other_rows, other_cols) = _rectangle(case, share), _rectangle(case, share)
    output = case.output.clone()
    output[:, rows, cols] = case.output[:, other_rows, other_cols]
    return output


def ripple(case: Case, severity: float) -> Tensor:
    """Waves of 8 px both ways, 3 to 20 levels."""
    rows, cols = (torch.sin(torch.arange(n) * math.pi / 4) for n in case.output.shape[1:])
    return to_pixels(case.output.float() + on_scale(severity, 3, 20) * rows[:, None] * cols)


UNLISTED: dict[str, Fault] = {
    "small_photo": _in_place(lambda case: case.source, 0.08, 0.25),
    "small_blur": _in_place(lambda case: blur(case.output.float(), 4.0), 0.08, 0.25),
    "small_foreign": _in_place(lambda case: fitted(case.donor, case.output), 0.08, 0.25),
    "mosaic": _in_place(_coarse, 0.1, 0.4),
    "local_noise": _in_place(_noisy, 0.08, 0.3),
    "local_tint": _in_place(_tinted, 0.1, 0.4),
    "ghost": ghost,
    "posterized": posterized,
    "scan_lines": scan_lines,
    "motion_blur": motion_blur,
    "displaced": displaced,
    "mirrored": mirrored,
    "pepper": pepper,
    "hue": hue,
    "vignette": vignette,
    "cloned": cloned,
    "ripple": ripple,
}


def _rectangle(case: Case, share: float) -> tuple[slice, slice]:
    tall, wide = (max(4, round(share * length)) for length in case.output.shape[1:])
    top = _below(case, case.output.shape[1] - tall)
    left = _below(case, case.output.shape[2] - wide)
    return slice(top, top + tall), slice(left, left + wide)


def _below(case: Case, high: int) -> int:
    return int(torch.randint(max(1, high), (), generator=case.generator))
