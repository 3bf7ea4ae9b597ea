"""Strategies that prepare the photo for the network, or mend what came out of it.

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

    from ganst.correction.strategies import Stylist

_BAND_SIGMAS = (1.0, 2.5, 6.0)  # pixels
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisedInput(Restyling):
    """Bring a dark, bright or flat photo to a usual exposure, then stylize it.

    A network sees few such photos in training and paints little on them.
    """

    name: ClassVar[str] = "normalised_input"
    cost: ClassVar[float] = 2.3
    wanted_median: float = 0.45  # of the light, 0..1
    largest_gamma: float = 2.5
    largest_gain: float = 2.5

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run on the photo in other light."""
        return self.stylize(self._exposed(source), stylist)

    def _exposed(self, source: Tensor) -> Tensor:
        light = (source.float() * _LUMA).sum(dim=0) / 255
        low, high = _percentiles(light, 0.01, 0.99)
        gain = min(self.largest_gain, 0.98 / max(high - low, 1e-3))
        median = min(max((_percentiles(light, 0.5)[0] - low) * gain, 0.02), 0.98)
        gamma = torch.log(torch.tensor(self.wanted_median)) / torch.log(torch.tensor(median))
        gamma = gamma.clamp(1 / self.largest_gamma, self.largest_gamma)
        stretched = ((source.float() / 255 - low) * gain).clamp(0, 1)
        return to_pixels(255 * stretched**gamma)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredStructure(Restyling):
    """Give edges of the photo that the output lost back to its light, in the output's own contrast.

    The guided filter (He 2013, doi:10.1109/TPAMI.2012.213, eq. 5-6) tells the contrast: the light
    of the output as a locally linear function of the photo's. Only what is missing of it is added.
    """

    name: ClassVar[str] = "restored_structure"
    cost: ClassVar[float] = 2.3
    sigma: float = 10.0  # pixels over which the linear function is fitted
    epsilon: float = 40.0  # squared levels under which the photo counts as flat
    largest_change: float = 40.0  # levels

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """One run, then its light."""
        output = self.stylize(source, stylist).float()
        return to_pixels(output + self._missing(source.float(), output))

    def _missing(self, source: Tensor, output: Tensor) -> Tensor:
        guide, light = ((image * _LUMA).sum(dim=0, keepdim=True) for image in (source, output))
        guide, light = guide - blur(guide, self.sigma), light - blur(light, self.sigma)
        variance = blur(guide.square(), self.sigma) + self.epsilon
        slope = (blur(guide * light, self.sigma) / variance).clamp(-2, 2)
        bands = zip(_bands(slope * guide), _bands(light), strict=True)
        missing = sum(_not_yet_in(held, wanted) for wanted, held in bands)
        return torch.as_tensor(missing).clamp(-self.largest_change, self.largest_change)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointColours(Restyling):
    """The strokes of one checkpoint in the colours that another one gives the same photo.

    Those are the best guess of the colours to expect here; a palette pooled over the paintings
    would recolour a sea like a cornfield. Linear Monge-Kantorovich transport of means and
    covariances (Pitie 2007, doi:10.1049/cp:20070055, eq. 4).
    """

    name: ClassVar[str] = "checkpoint_colours"
    cost: ClassVar[float] = 4.0
    colours_of: str = "early"

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Strokes from the one, colours from the other."""
        return (self.checkpoint, self.colours_of)

    def produce(self, source: Tensor, stylist: Stylist) -> Tensor:
        """Two runs."""
        wanted = stylist(source, checkpoint=self.colours_of, precision=self.precision)
        return to_pixels(transport_colours(self.stylize(source, stylist), wanted))


def transport_colours(image: Tensor, wanted: Tensor) -> Tensor:
    """`image` with mean and covariance of the colours of `wanted`; levels `[3, H, W]` -> float32."""
    points, targets = (x.flatten(1).double() for x in (image, wanted))
    root = _power(_covariance(points), 0.5)
    inverse = _power(_covariance(points), -0.5)
    matrix = inverse @ _power(root @ _covariance(targets) @ root, 0.5) @ inverse
    moved = matrix @ (points - points.mean(dim=1, keepdim=True))
    return (moved + targets.mean(dim=1, keepdim=True)).reshape(image.shape).float()


def _covariance(points: Tensor) -> Tensor:
    # A spread of half a level in every direction: grey images have no inverse.
    return torch.cov(points) + 0.25 * torch.eye(3, dtype=points.dtype)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-9) ** exponent) @ vectors.T


def _percentiles(plane: Tensor, *shares: float) -> list[float]:
    ordered = plane.flatten().sort().values
    return [float(ordered[round(share * (len(ordered) - 1))]) for share in shares]


def _bands(detail: Tensor) -> list[Tensor]:
    """Fine to coarse; an output that lost its edges still has what is coarse of them."""
    smooth = [detail, *(blur(detail, sigma) for sigma in _BAND_SIGMAS)]
    return [fine - coarse for fine, coarse in pairwise(smooth)]


def _not_yet_in(held: Tensor, wanted: Tensor) -> Tensor:
    """`wanted` less the part of it that `held` has already, around each place."""
    share = blur(held * wanted, 4.0) / (blur(wanted.square(), 4.0) + 1.0)
    return (1 - share.clamp(0, 1)) * wanted
