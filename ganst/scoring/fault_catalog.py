"""More kinds of faults than the namer is trained on: what a benchmark needs to be fair.

`FAULTS` teaches reasons, so a detector tested on it alone is tested on its own textbook. `CATALOG`
holds those and kinds that nothing was fitted to, each with the reasons that would be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur, native_light
from ganst.scoring.faults import FAULTS, fitted, on_scale, to_pixels

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.scoring.faults import Case, Fault

_TILE_PX = 128


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
    output, donor = case.output.float(), fitted(case.donor, case.output).float()
    grain = donor - blur(donor, 1.0)
    return to_pixels(blur(output, on_scale(severity, 1.5, 8.0)) + grain)


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
    "clipped": Kind(fault=clipped, reasons=("exposure", "unknown")),
    "faded": Kind(fault=faded, reasons=("color_cast", "unknown")),
    "tile_drift": Kind(fault=tile_drift, reasons=("seam", "unknown")),
    "warped": Kind(fault=warped, reasons=("wrong_image", "unknown")),
    "halo": Kind(fault=halo, reasons=("seam", "blank", "unknown")),
    "truncated": Kind(fault=truncated, reasons=("blank", "unknown")),
    "turned": Kind(fault=turned, reasons=("wrong_image",), is_graded=False),
    "channels_swapped": Kind(fault=channels_swapped, reasons=("color_cast", "unknown")),
}
