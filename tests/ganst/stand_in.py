"""A stand-in style for the scorer's tests: quick, deterministic, and no network in it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.calibration import Calibration, Scope
from ganst.scoring.canonical import blur, open_canvas
from ganst.scoring.faults import FAULTS, Case
from ganst.scoring.fitting import FaultRows, NormalRows, fit_calibration
from ganst.scoring.measuring import measure
from ganst.scoring.place_maps import place_maps
from ganst.scoring.places import PlaceRule
from ganst.scoring.reference import Reference, StyleReference

NUM_PHOTOS = 48
SIZE = (160, 168)  # nearly square: the cost of a measurement grows with the canonical area
STYLE_DIGEST = "5" * 64


def make_photo(seed: int, size: tuple[int, int] = SIZE) -> Tensor:
    """Sky, ground, a few objects and fine grain: uint8 `[3, H, W]`."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    coarse = torch.rand(1, 3, 4, 5, generator=generator)
    image = F.interpolate(coarse, size=size, mode="bicubic")[0]
    rows, cols = torch.arange(height)[:, None], torch.arange(width)[None, :]
    for _ in range(8):
        top, left, tall, wide = torch.rand(4, generator=generator).tolist()
        inside = (rows > top * height) & (rows < (top + 0.4 * tall) * height)
        inside = inside & (cols > left * width) & (cols < (left + 0.4 * wide) * width)
        colour = torch.rand(3, generator=generator)[:, None, None]
        image = torch.where(inside, 0.7 * colour + 0.3 * image, image)
    grain = blur(torch.randn(1, height, width, generator=generator), 0.7)
    image = image + float(torch.rand((), generator=generator)) * 0.15 * grain
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def stylize(photo: Tensor, seed: int = 0) -> Tensor:
    """Smooth, pull to a palette, lay a diagonal canvas over it: uint8 `[3, H, W]`."""
    generator = torch.Generator().manual_seed(seed)
    smooth = blur(photo.float() / 255, 1.5)
    height, width = photo.shape[1:]
    canvas = torch.randn(1, height + 8, width + 8, generator=generator)
    strokes = sum(canvas[:, k : k + height, k : k + width] for k in range(8)) / 8**0.5
    warm = torch.tensor([[0.9, 0.15, 0.0], [0.1, 0.8, 0.05], [0.05, 0.1, 0.7]])
    image = torch.einsum("ij,jhw->ihw", warm, smooth) + 0.05 * strokes
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def requantised(image: Tensor) -> Tensor:
    """Stands in for JPEG: up to two levels of noise in a fixed pattern."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(-2, 3, image.shape, generator=generator)
    return (image.int() + noise).clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, slots=True)
class StandIn:
    """Photos, their outputs, and a calibration that knows the first `NUM_PHOTOS` of them."""

    calibration: Calibration

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """A photo that the calibration has not seen, and its output."""
        photo = make_photo(10_000 + index)
        return photo, stylize(photo, 10_000 + index)

    def columns(self, index: int, reference: Reference) -> dict[str, float]:
        photo, output = self.pair(index)
        return measure(photo, output, reference)

    def case(self, index: int) -> Case:
        photo, output = self.pair(index)
        generator = torch.Generator().manual_seed(index)
        _, donor = self.pair(index + 500)
        return Case(source=photo, output=output, donor=donor, generator=generator)

    def anomaly(self, source: Tensor, output: Tensor) -> float:
        columns = measure(source, output, self.calibration.reference)
        return self.calibration.judge(columns, "key").anomaly

    def p(self, source: Tensor, output: Tensor) -> float:
        columns = measure(source, output, self.calibration.reference)
        return self.calibration.judge(columns, "key").p_anomaly


def usual_places() -> PlaceRule:
    """Of the outputs of photos that take no further part."""
    photos = [make_photo(20_000 + index) for index in range(12)]
    outputs = [stylize(photo, index) for index, photo in enumerate(photos)]
    return PlaceRule.fit(
        [place_maps(open_canvas(a), open_canvas(b)) for a, b in zip(photos, outputs, strict=True)]
    )


def make_stand_in() -> StandIn:
    """Calibrate on outputs as they come back from lossless and from lossy files."""
    sizes = [(140, 150), (152, 190), (164, 172), (180, 184)]
    paintings = [stylize(make_photo(-k, size), -k) for k, size in enumerate(sizes, start=1)]
    reference = Reference(style=StyleReference.fit(paintings), places=usual_places())
    normal, faulty, reasons = [], [], []
    for index in range(NUM_PHOTOS):
        # Of many sizes, or a copy trimmed by a few pixels would be out of the ordinary.
        size = (150 + 5 * (index % 7), 156 + 6 * (index % 5))
        photo = make_photo(index, size)
        output = stylize(photo, index)
        output = requantised(output) if index % 2 else output
        normal.append(measure(photo, output, reference))
        donor = stylize(make_photo(index + 1), index + 1)
        generator = torch.Generator().manual_seed(index)
        case = Case(source=photo, output=output, donor=donor, generator=generator)
        name = list(FAULTS)[index % len(FAULTS)]
        faulty.append(measure(photo, FAULTS[name](case, 4.0), reference))
        reasons.append(name)
    names = [f"photo{index}" for index in range(NUM_PHOTOS)]
    scope = Scope(
        style_digest=STYLE_DIGEST,
        precisions=("fp32",),
        formats=("png", "jpeg"),
        min_quality=90,
        strength=1.0,
    )
    calibration = fit_calibration(
        NormalRows(columns=normal, photos=names, groups=names),
        FaultRows(columns=faulty, reasons=reasons, groups=names),
        reference,
        scope,
    )
    return StandIn(calibration)
