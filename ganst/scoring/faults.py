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

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


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
    share = _scale(severity, 0.3, 1.0)
    return _to_pixels((1 - share) * case.output.float() + share * case.source.float())


def wrong_image(case: Case, severity: float) -> Tensor:
    """Mix in another photo's output: a quarter at severity 1, all of it at 5."""
    share = _scale(severity, 0.25, 1.0)
    donor = _fitted(case.donor, case.output).float()
    return _to_pixels((1 - share) * case.output.float() + share * donor)


def smoothed(case: Case, severity: float) -> Tensor:
    """Gaussian blur, sigma 1 to 6 px."""
    return _to_pixels(blur(case.output.float(), _scale(severity, 1.0, 6.0)))


def noise(case: Case, severity: float) -> Tensor:
    """Gaussian noise, sigma 6 to 40 levels."""
    drawn = torch.randn(case.output.shape, generator=case.generator)
    return _to_pixels(case.output.float() + _scale(severity, 6, 40) * drawn)


def inverted(case: Case, severity: float) -> Tensor:
    """The negative of the lower part: a fifth of the height at severity 1, all of it at 5."""
    output = case.output.clone()
    top = round((1 - _scale(severity, 0.2, 1.0)) * output.shape[1])
    output[:, top:] = 255 - output[:, top:]
    return output


def color_cast(case: Case, severity: float) -> Tensor:
    """Channel gains of up to +-15 % to +-65 %, one up and one down."""
    strength = _scale(severity, 0.15, 0.65)
    order = torch.randperm(3, generator=case.generator)
    gains = torch.ones(3)
    gains[order[0]], gains[order[1]] = 1 + strength, 1 - strength
    return _to_pixels(case.output.float() * gains[:, None, None])


def blank(case: Case, severity: float) -> Tensor:
    """A black, white or mean-coloured rectangle, 6 % to 40 % of the short side."""
    output = case.output.clone()
    height, width = output.shape[1:]
    side = max(8, round(_scale(severity, 0.06, 0.4) * min(height, width)))
    top = _randint(case.generator, height - side)
    left = _randint(case.generator, width - side)
    mean = output.float().mean(dim=(1, 2))
    fill = (torch.zeros(3), torch.full((3,), 255.0), mean)[_randint(case.generator, 3)]
    output[:, top : top + side, left : left + side] = _to_pixels(fill)[:, None, None]
    return output


def grid(case: Case, severity: float) -> Tensor:
    """A checkerboard of period 2 or 4, 4 to 24 levels."""
    height, width = case.output.shape[1:]
    cell = 1 + _randint(case.generator, 2)
    row, col = torch.arange(height) // cell, torch.arange(width) // cell
    board = ((row[:, None] + col[None, :]) % 2) * 2.0 - 1
    return _to_pixels(case.output.float() + _scale(severity, 4, 24) * board)


def exposure(case: Case, severity: float) -> Tensor:
    """Multiplied by up to 2.6 or divided by up to 4."""
    if _randint(case.generator, 2):
        return _to_pixels(case.output.float() * _scale(severity, 1.3, 2.6))
    return _to_pixels(case.output.float() / _scale(severity, 1.4, 4.0))


def seam(case: Case, severity: float) -> Tensor:
    """One half brighter by 6 % to 40 %: a tile rendered with other statistics."""
    output = case.output.float()
    length = output.shape[2]
    cut = length // 4 + _randint(case.generator, max(1, length // 2))
    output[:, :, cut:] = output[:, :, cut:] * (1 + _scale(severity, 0.06, 0.4))
    return _to_pixels(output)


def blob(case: Case, severity: float) -> Tensor:
    """1 to 12 soft saturated droplets."""
    output = case.output.float()
    height, width = output.shape[1:]
    rows, cols = torch.arange(height)[:, None], torch.arange(width)[None, :]
    for _ in range(round(_scale(severity, 1, 12))):
        top, left = _randint(case.generator, height), _randint(case.generator, width)
        radius = (0.02 + 0.03 * float(torch.rand((), generator=case.generator))) * min(
            height, width
        )
        weight = torch.exp(-((rows - top) ** 2 + (cols - left) ** 2) / (2 * radius**2))
        colour = 255 * (torch.rand(3, generator=case.generator) > 0.5).float()
        output = output + 0.95 * weight * (colour[:, None, None] - output)
    return _to_pixels(output)


def patch(case: Case, severity: float) -> Tensor:
    """A rectangle that is blurred, of the photo or of another output: 12 % to 50 % of each side."""
    wrong = (
        blur(case.output.float(), 6.0),
        case.source.float(),
        _fitted(case.donor, case.output).float(),
    )[_randint(case.generator, 3)]
    share = _scale(severity, 0.12, 0.5)
    tall, wide = (round(share * length) for length in case.output.shape[1:])
    top = _randint(case.generator, case.output.shape[1] - tall)
    left = _randint(case.generator, case.output.shape[2] - wide)
    output = case.output.clone()
    inside = (slice(None), slice(top, top + tall), slice(left, left + wide))
    output[inside] = _to_pixels(wrong)[inside]
    return output


def compressed(case: Case, severity: float) -> Tensor:
    """What JPEG leaves at quality 40 down to 6: quantised 8 x 8 cosine transforms of Y, Cb and Cr."""
    quality = _scale(severity, 40, 6)
    coarseness = 5000 / quality if quality < 50 else 200 - 2 * quality
    step = (coarseness * _JPEG_STEPS / 100).clamp_min(1)
    height, width = case.output.shape[1:]
    padded = F.pad(case.output[None].float(), (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    planes = torch.einsum("ij,jhw->ihw", _TO_YCC, padded - 128)
    blocks = planes.unfold(1, 8, 8).unfold(2, 8, 8)  # [3, r, c, 8, 8]
    quantised = (_DCT @ blocks @ _DCT.T / step).round() * step
    rows = (_DCT.T @ quantised @ _DCT).transpose(2, 3).reshape(planes.shape)
    return _to_pixels(torch.einsum("ij,jhw->ihw", _TO_YCC.inverse(), rows) + 128)[
        :, :height, :width
    ]


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

_TO_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_ANGLES = torch.arange(8)[:, None] * (2 * torch.arange(8)[None] + 1) * torch.pi / 16
_DCT = torch.cos(_ANGLES) * torch.tensor([0.125**0.5] + 7 * [0.5])[:, None]
# Close to the luminance table of ITU-T T.81, annex K.1, which grows with frequency.
_JPEG_STEPS = 10 + 12 * (torch.arange(8)[:, None] + torch.arange(8)[None]).float()


def _fitted(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image[None], size=like.shape[1:], mode="bicubic", antialias=True)[0]


def _scale(severity: float, mild: float, strong: float) -> float:
    if not 1 <= severity <= 5:
        raise ValueError(f"severity must be in 1..5, got {severity}")
    return mild + (strong - mild) * (severity - 1) / 4


def _randint(generator: torch.Generator, high: int) -> int:
    return int(torch.randint(max(1, high), (), generator=generator))


def _to_pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
