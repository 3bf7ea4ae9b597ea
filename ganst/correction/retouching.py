"""Strategies that give what came out of the network the shapes of the photo that it lost.

Levels are 0..255; light is Rec. 709 luma of the coded values.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import torch

from ganst.correction.strategies import Restyling, to_pixels
from ganst.scoring.canonical import blur

if TYPE_CHECKING:
    from torch import Tensor

    from ganst.correction.strategies import Stylist, Subject

_BAND_SIGMAS = (1.0, 2.5, 6.0)  # pixels
_SHAPE_SIGMAS = (1 / 400, 1 / 160, 1 / 64, 1 / 32)  # of the short side: between strokes and layout
_LEAST_SPREAD = 1e-3
# At 0.7 the median output of `vangogh` had p 0.30, at 0.55 it had 0.02. Above the floor the limits of
# each style's calibration decide: see `acceptance`.
STRENGTH_FLOOR = 0.7
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredStructure(Restyling):
    """Give edges of the photo that the output lost back to its light, in the output's own contrast.

    The guided filter (He 2013, doi:10.1109/TPAMI.2012.213, eq. 5-6) tells the contrast: the light
    of the output as a locally linear function of the photo's. Only what is missing of it is added.
    """

    name: ClassVar[str] = "restored_structure"
    runs: ClassVar[float] = 1.4
    sigma: float = 10.0  # pixels over which the linear function is fitted
    epsilon: float = 40.0  # squared levels under which the photo counts as flat
    largest_change: float = 40.0  # levels

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run, then its light."""
        output = self.stylize(subject.source, stylist).float()
        return to_pixels(output + self._missing(subject.source.float(), output))

    def _missing(self, source: Tensor, output: Tensor) -> Tensor:
        guide, light = _light(source), _light(output)
        guide, light = guide - blur(guide, self.sigma), light - blur(light, self.sigma)
        variance = blur(guide.square(), self.sigma) + self.epsilon
        slope = (blur(guide * light, self.sigma) / variance).clamp(-2, 2)
        bands = zip(_bands(slope * guide), _bands(light), strict=True)
        missing = sum(_not_yet_in(held, wanted) for wanted, held in bands)
        return torch.as_tensor(missing).clamp(-self.largest_change, self.largest_change)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthBlend(Restyling):
    """A little of the photo's shapes back in, in band-pass features of light; colours stay.

    Each band of the photo comes in the output's own contrast, so that style and palette stay: at the
    same gain in edges a blend of pixels makes the colours six times more like the photo's.
    Blending inside of the network (less of its residual blocks) is no way to do it: with both bundled
    styles it brought no edge back, down to half of their strength.
    """

    name: ClassVar[str] = "strength_blend"
    runs: ClassVar[float] = 1.3
    strength: float = 0.8

    def __post_init__(self) -> None:
        if not STRENGTH_FLOOR <= self.strength <= 1:
            raise ValueError(f"strength must be in {STRENGTH_FLOOR}..1, got {self.strength}")

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run, its light mixed with the photo's band by band."""
        output = self.stylize(subject.source, stylist).float()
        short = min(output.shape[1:])
        light_in, light_out = (_light(image) for image in (subject.source.float(), output))
        change = torch.zeros_like(light_out)
        for ours, theirs in zip(_shapes(light_out, short), _shapes(light_in, short), strict=True):
            contrast = ours.std() / theirs.std().clamp_min(_LEAST_SPREAD)
            change += (1 - self.strength) * (contrast * theirs - ours)
        return to_pixels(output + change)


def _light(image: Tensor) -> Tensor:
    return (image * _LUMA).sum(dim=0, keepdim=True)


def _shapes(light: Tensor, short: int) -> list[Tensor]:
    smooth = [blur(light, sigma * short) for sigma in _SHAPE_SIGMAS]
    return [fine - coarse for fine, coarse in pairwise(smooth)]


def _bands(detail: Tensor) -> list[Tensor]:
    """Fine to coarse; an output that lost its edges still has what is coarse of them."""
    smooth = [detail, *(blur(detail, sigma) for sigma in _BAND_SIGMAS)]
    return [fine - coarse for fine, coarse in pairwise(smooth)]


def _not_yet_in(held: Tensor, wanted: Tensor) -> Tensor:
    """`wanted` less the part of it that `held` has already, around each place."""
    share = blur(held * wanted, 4.0) / (blur(wanted.square(), 4.0) + 1.0)
    return (1 - share.clamp(0, 1)) * wanted
