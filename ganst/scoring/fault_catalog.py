"""More kinds of faults than the namer is trained on: what a benchmark needs to be fair.

`FAULTS` teaches reasons, so a detector tested on it alone is tested on its own textbook. `CATALOG`
holds those and kinds that nothing was fitted to, each with the reasons that would be right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur, native_light
from ganst.scoring.faults import FAULTS, on_scale, to_pixels

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.faults import Case, Fault

_TILE_PX = 128
_JPEG_QUALITIES = (40.0, 25.0, 15.0, 10.0, 6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault; `reasons` name it rightly, `unknown` where no trained reason fits.

    `is_graded`: whether a higher severity is a stronger fault.
    """

    fault: Fault
    reasons: tuple[str, ...]
    is_graded: bool = True


def oversmoothed(case: Case, severity: float) -> Tensor:
    """Strokes blurred away, sigma 1.5 to 8 px, under the canvas grain of the donor."""
    output, donor = case.output.float(), _fitted(case.donor, case.output)
    grain = donor - blur(donor, 1.0)
    return to_pixels(blur(output, on_scale(severity, 1.5, 8.0)) + grain)


def jpeg(case: Case, severity: float) -> Tensor:
    """Quantise 8 x 8 cosine blocks as baseline JPEG does at quality 40, 25, 15, 10, 6 (ITU T.81)."""
    on_scale(severity, 0, 1)
    below = min(int(severity), 4)
    quality = torch.lerp(
        torch.tensor(_JPEG_QUALITIES[below - 1]),
        torch.tensor(_JPEG_QUALITIES[below]),
        severity - below,
    )
    return _quantised(case.output, 50 / float(quality))


def clipped(case: Case, severity: float) -> Tensor:
    """Contrast stretched about mid-grey, 1.3 to 4 times: lights and shadows run out."""
    return to_pixels(128 + on_scale(severity, 1.3, 4.0) * (case.output.float() - 128))


def faded(case: Case, severity: float) -> Tensor:
    """Colours pulled towards grey, by 30 % to all of them, as a washed-out scan."""
    output = case.output.float()
    grey = 255 * native_light(case.output)[None]
    return to_pixels(torch.lerp(output, grey.expand_as(output), on_scale(severity, 0.3, 1.0)))


def tile_drift(case: Case, severity: float) -> Tensor:
    """Each 128-px tile with a gain and an offset of its own: norms taken per tile."""
    spread = on_scale(severity, 0.03, 0.25)
    height, width = case.output.shape[1:]
    rows, cols = -(-height // _TILE_PX), -(-width // _TILE_PX)
    drawn = torch.randn(2, 3, rows, cols, generator=case.generator)
    gain, offset = (
        plane.repeat_interleave(_TILE_PX, 1).repeat_interleave(_TILE_PX, 2)[:, :height, :width]
        for plane in drawn
    )
    return to_pixels(case.output.float() * (1 + spread * gain) + 64 * spread * offset)


def warped(case: Case, severity: float) -> Tensor:
    """Smoothly displaced by up to 1 % to 8 % of the short side: outlines bent."""
    height, width = case.output.shape[1:]
    drawn = torch.rand(1, 2, 4, 4, generator=case.generator) * 2 - 1
    field = F.interpolate(drawn, size=(height, width), mode="bicubic", align_corners=True)[0]
    reach = 2 * on_scale(severity, 0.01, 0.08) * min(height, width)
    rows, cols = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None, :]
    place = torch.stack([cols + reach / width * field[0], rows + reach / height * field[1]], dim=-1)
    moved = F.grid_sample(
        case.output[None].float(), place[None], padding_mode="reflection", align_corners=True
    )
    return to_pixels(moved[0])


def halo(case: Case, severity: float) -> Tensor:
    """A pale rim, 1 % to 8 % of the short side: the padding shows."""
    output = case.output.float()
    rim = max(1, round(on_scale(severity, 0.01, 0.08) * min(output.shape[1:])))
    damaged = 0.4 * output + 0.6 * 230
    damaged[:, rim:-rim, rim:-rim] = output[:, rim:-rim, rim:-rim]
    return to_pixels(damaged)


def truncated(case: Case, severity: float) -> Tensor:
    """The lower 8 % to 70 % grey, as decoders leave a file that was cut off."""
    output = case.output.clone()
    kept = round((1 - on_scale(severity, 0.08, 0.7)) * output.shape[1])
    output[:, kept:] = 128
    return output


def turned(case: Case, severity: float) -> Tensor:
    """Upside down, whatever the severity: the orientation tag was not heeded."""
    on_scale(severity, 0, 1)
    return case.output.flip(1, 2)


def channels_swapped(case: Case, severity: float) -> Tensor:
    """Red and blue exchanged, 20 % to all of it: BGR taken for RGB."""
    output = case.output.float()
    return to_pixels(torch.lerp(output, output.flip(0), on_scale(severity, 0.2, 1.0)))


CATALOG: dict[str, Kind] = {
    name: Kind(fault=fault, reasons=(name,)) for name, fault in FAULTS.items()
}
CATALOG |= {
    "oversmoothed": Kind(fault=oversmoothed, reasons=("blur", "unknown")),
    "jpeg": Kind(fault=jpeg, reasons=("blur", "grid", "noise", "unknown")),
    "clipped": Kind(fault=clipped, reasons=("exposure", "unknown")),
    "faded": Kind(fault=faded, reasons=("color_cast", "unknown")),
    "tile_drift": Kind(fault=tile_drift, reasons=("seam", "unknown")),
    "warped": Kind(fault=warped, reasons=("wrong_image", "unknown")),
    "halo": Kind(fault=halo, reasons=("seam", "blank", "unknown")),
    "truncated": Kind(fault=truncated, reasons=("blank", "unknown")),
    "turned": Kind(fault=turned, reasons=("wrong_image",), is_graded=False),
    "channels_swapped": Kind(fault=channels_swapped, reasons=("color_cast", "unknown")),
}


def _fitted(donor: Tensor, output: Tensor) -> Tensor:
    size = (int(output.shape[1]), int(output.shape[2]))
    return F.interpolate(donor[None], size=size, mode="bicubic", antialias=True)[0].float()


def _quantised(pixels: Tensor, scale: float) -> Tensor:
    height, width = pixels.shape[1:]
    ycc = torch.einsum("ij,jhw->ihw", _YCC, pixels.float())
    ycc = F.pad(ycc[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    rows, cols = ycc.shape[1] // 8, ycc.shape[2] // 8
    blocks = ycc.reshape(3, rows, 8, cols, 8).transpose(2, 3) - _MIDDLE[:, None, None, None, None]
    cosine = _cosines()
    steps = (torch.stack([_LUMA_STEPS, _CHROMA_STEPS, _CHROMA_STEPS]) * scale).clamp(1, 255)
    steps = steps[:, None, None].round()
    coded = (cosine @ blocks @ cosine.T / steps).round() * steps
    blocks = cosine.T @ coded @ cosine + _MIDDLE[:, None, None, None, None]
    ycc = blocks.transpose(2, 3).reshape(3, rows * 8, cols * 8)[:, :height, :width]
    return to_pixels(torch.einsum("ij,jhw->ihw", torch.linalg.inv(_YCC), ycc))


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """The orthonormal 8-point DCT-II, `[frequency, sample]`."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None, :]
    basis = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


_YCC = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_MIDDLE = torch.tensor([128.0, 0.0, 0.0])
# ITU T.81, tables K.1 and K.2.
_LUMA_STEPS = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
_CHROMA_STEPS = torch.full((8, 8), 99.0)
_CHROMA_STEPS[:4, :4] = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]], dtype=torch.float32
)
