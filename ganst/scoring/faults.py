"""Faults put into outputs on purpose: to name reasons, to test the detector, to build decoys.

Every fault takes a `Case` and a severity in 1..5 (as in ImageNet-C, arXiv:1903.12261) and returns
uint8 `[3, H, W]`. The detector itself never sees them: it is fitted on normal outputs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur
from ganst.scoring.jpeg_blocks import as_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


_JPEG_QUALITIES = (40.0, 25.0, 15.0, 10.0, 6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A source, its output and the output of another source, all uint8 `[3, H, W]`."""

    source: Tensor
    output: Tensor
    donor: Tensor
    generator: torch.Generator


if TYPE_CHECKING:
    Fault = Callable[[Case, float], Tensor]


def passthrough(case: Case, severity: float) -> Tensor:
    """Blend the source back in: 30 % at severity 1, all of it at 5."""
    share = on_scale(severity, 0.3, 1.0)
    return to_pixels((1 - share) * case.output.float() + share * case.source.float())


def wrong_image(case: Case, severity: float) -> Tensor:
    """Mix in another photo's output: a quarter at severity 1, all of it at 5."""
    share = on_scale(severity, 0.25, 1.0)
    donor = fitted(case.donor, case.output).float()
    return to_pixels((1 - share) * case.output.float() + share * donor)


def smoothed(case: Case, severity: float) -> Tensor:
    """Gaussian blur, sigma 1 to 6 px."""
    return to_pixels(blur(case.output.float(), on_scale(severity, 1.0, 6.0)))


def noise(case: Case, severity: float) -> Tensor:
    """Gaussian noise, sigma 6 to 40 levels."""
    drawn = torch.randn(case.output.shape, generator=case.generator)
    return to_pixels(case.output.float() + on_scale(severity, 6, 40) * drawn)


def inverted(case: Case, severity: float) -> Tensor:
    """The negative of the lower part: a fifth of the height at severity 1, all of it at 5."""
    output = case.output.clone()
    top = round((1 - on_scale(severity, 0.2, 1.0)) * output.shape[1])
    output[:, top:] = 255 - output[:, top:]
    return output


def color_cast(case: Case, severity: float) -> Tensor:
    """Channel gains of up to +-15 % to +-65 %, one up and one down."""
    strength = on_scale(severity, 0.15, 0.65)
    order = torch.randperm(3, generator=case.generator)
    gains = torch.ones(3)
    gains[order[0]], gains[order[1]] = 1 + strength, 1 - strength
    return to_pixels(case.output.float() * gains[:, None, None])


def blank(case: Case, severity: float) -> Tensor:
    """A black, white or mean-coloured rectangle, 6 % to 40 % of the short side."""
    output = case.output.clone()
    height, width = output.shape[1:]
    side = max(8, round(on_scale(severity, 0.06, 0.4) * min(height, width)))
    top = _randint(case.generator, height - side)
    left = _randint(case.generator, width - side)
    mean = output.float().mean(dim=(1, 2))
    fill = (torch.zeros(3), torch.full((3,), 255.0), mean)[_randint(case.generator, 3)]
    output[:, top : top + side, left : left + side] = to_pixels(fill)[:, None, None]
    return output


def grid(case: Case, severity: float) -> Tensor:
    """A checkerboard of period 2 or 4, 4 to 24 levels."""
    height, width = case.output.shape[1:]
    cell = 1 + _randint(case.generator, 2)
    row, col = torch.arange(height) // cell, torch.arange(width) // cell
    board = ((row[:, None] + col[None, :]) % 2) * 2.0 - 1
    return to_pixels(case.output.float() + on_scale(severity, 4, 24) * board)


def exposure(case: Case, severity: float) -> Tensor:
    """Multiplied by up to 2.6 or divided by up to 4."""
    if _randint(case.generator, 2):
        return to_pixels(case.output.float() * on_scale(severity, 1.3, 2.6))
    return to_pixels(case.output.float() / on_scale(severity, 1.4, 4.0))


def seam(case: Case, severity: float) -> Tensor:
    """One half brighter by 6 % to 40 %: a tile rendered with other statistics."""
    output = case.output.float()
    length = output.shape[2]
    cut = length // 4 + _randint(case.generator, max(1, length // 2))
    output[:, :, cut:] = output[:, :, cut:] * (1 + on_scale(severity, 0.06, 0.4))
    return to_pixels(output)


def blob(case: Case, severity: float) -> Tensor:
    """1 to 12 soft saturated droplets."""
    output = case.output.float()
    height, width = output.shape[1:]
    rows, cols = torch.arange(height)[:, None], torch.arange(width)[None, :]
    for _ in range(round(on_scale(severity, 1, 12))):
        top, left = _randint(case.generator, height), _randint(case.generator, width)
        radius = (0.02 + 0.03 * float(torch.rand((), generator=case.generator))) * min(
            height, width
        )
        weight = torch.exp(-((rows - top) ** 2 + (cols - left) ** 2) / (2 * radius**2))
        colour = 255 * (torch.rand(3, generator=case.generator) > 0.5).float()
        output = output + 0.95 * weight * (colour[:, None, None] - output)
    return to_pixels(output)


def patch(case: Case, severity: float) -> Tensor:
    """A rectangle that is blurred, of the photo or of another output: 12 % to 50 % of each side."""
    wrong = (
        blur(case.output.float(), 6.0),
        case.source.float(),
        fitted(case.donor, case.output).float(),
    )[_randint(case.generator, 3)]
    share = on_scale(severity, 0.12, 0.5)
    tall, wide = (round(share * length) for length in case.output.shape[1:])
    top = _randint(case.generator, case.output.shape[1] - tall)
    left = _randint(case.generator, case.output.shape[2] - wide)
    output = case.output.clone()
    inside = (slice(None), slice(top, top + tall), slice(left, left + wide))
    output[inside] = to_pixels(wrong)[inside]
    return output


def compressed(case: Case, severity: float) -> Tensor:
    """Baseline JPEG at quality 40, 25, 15, 10, 6: blocks, and halos of edges."""
    on_scale(severity, 0, 1)
    below = min(int(severity), 4)
    better, worse = _JPEG_QUALITIES[below - 1 : below + 1]
    return as_jpeg(case.output, better + (worse - better) * (severity - below))


# Named by the reason a reviewer would give.
FAULTS: dict[str, Fault] = {
    "passthrough": passthrough,
    "wrong_image": wrong_image,
    "blur": smoothed,
    "noise": noise,
    "inverted": inverted,
    "color_cast": color_cast,
    "blank": blank,
    "grid": grid,
    "exposure": exposure,
    "seam": seam,
    "blob": blob,
    "patch": patch,
    "compressed": compressed,
}


def fitted(image: Tensor, like: Tensor) -> Tensor:
    """`image` resized to the size of `like`, uint8 `[3, H, W]`."""
    return F.interpolate(image[None], size=like.shape[1:], mode="bicubic", antialias=True)[0]


def on_scale(severity: float, mild: float, strong: float) -> float:
    """Value between `mild` at severity 1 and `strong` at 5. Raises ValueError outside of 1..5."""
    if not 1 <= severity <= 5:
        raise ValueError(f"severity must be in 1..5, got {severity}")
    return mild + (strong - mild) * (severity - 1) / 4


def _randint(generator: torch.Generator, high: int) -> int:
    return int(torch.randint(max(1, high), (), generator=generator))


def to_pixels(image: Tensor) -> Tensor:
    """Round float levels to uint8, cut at 0 and 255."""
    return image.round().clamp(0, 255).to(torch.uint8)
