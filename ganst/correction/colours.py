"""Strategies that keep the strokes and give them the colours to expect of that photo.

A palette pooled over the paintings would recolour a sea like a cornfield. Colours are moved by the
linear Monge-Kantorovich map (Pitie 2007, doi:10.1049/cp:20070055, eq. 4). Levels are 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ganst.correction.strategies import NotApplicableError, Restyling, to_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ganst.correction.strategies import Stylist, Subject

_CELLS = 32  # on the short side: colours of places, not of strokes
_RIDGE = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointColours(Restyling):
    """The strokes of one checkpoint in the colours that another one gives the same photo."""

    name: ClassVar[str] = "checkpoint_colours"
    runs: ClassVar[float] = 2.2
    colours_of: str = "early"

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Strokes from the one, colours from the other."""
        return (self.checkpoint, self.colours_of)

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """Two runs."""
        wanted = stylist(subject.source, checkpoint=self.colours_of, precision=self.precision)
        return to_pixels(transport_colours(self.stylize(subject.source, stylist), wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedColours(Restyling):
    """The network's strokes in the colours that good outputs of the run have, given their photos."""

    name: ClassVar[str] = "expected_colours"
    runs: ClassVar[float] = 1.4

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """One run; a quadratic map from photo to output colours is learnt from the good ones."""
        wanted = expected_colours(subject.source, subject.good())
        output = self.stylize(subject.source, stylist)
        return to_pixels(_moved(output, _places(output), wanted))


def expected_colours(source: Tensor, good: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Colours to expect at the places of a photo: float64 `[3, n]`, scattered as good outputs are.

    Raises:
        NotApplicableError: There is no good output to learn from.

    """
    if not good:
        raise NotApplicableError("there is no good output in this run to learn colours from")
    seen = torch.cat([_places(photo) for photo, _ in good], dim=1)
    painted = torch.cat([_places(output) for _, output in good], dim=1)
    features = _quadratic(seen)
    penalty = _RIDGE * features.shape[1] * torch.eye(len(features), dtype=features.dtype)
    weights = torch.linalg.solve(features @ features.T + penalty, features @ painted.T)
    left_over = painted - weights.T @ features
    expected = weights.T @ _quadratic(_places(source))
    # What the photo does not explain belongs to the style's colours too. Taken evenly from the good
    # outputs, which needs no randomness.
    chosen = torch.linspace(0, left_over.shape[1] - 1, expected.shape[1]).round().long()
    return (expected + left_over[:, chosen]).clamp(0, 255)


def transport_colours(image: Tensor, wanted: Tensor) -> Tensor:
    """`image` with mean and covariance of the colours of `wanted`; levels `[3, H, W]` -> float32."""
    return _moved(image, image.flatten(1).double(), wanted.flatten(1).double())


def _moved(image: Tensor, points: Tensor, targets: Tensor) -> Tensor:
    """`image` under the map that takes the colours `points` `[3, n]` to those of `targets`."""
    root = _power(_covariance(points), 0.5)
    inverse = _power(_covariance(points), -0.5)
    matrix = inverse @ _power(root @ _covariance(targets) @ root, 0.5) @ inverse
    centred = image.flatten(1).double() - points.mean(dim=1, keepdim=True)
    moved = matrix @ centred + targets.mean(dim=1, keepdim=True)
    return moved.reshape(image.shape).float()


def _places(image: Tensor) -> Tensor:
    """Mean colours of the cells of an image, float64 `[3, n]`."""
    height, width = image.shape[1:]
    shrink = min(1.0, _CELLS / min(height, width))
    size = (max(1, round(shrink * height)), max(1, round(shrink * width)))
    return F.interpolate(image[None].float(), size=size, mode="area")[0].flatten(1).double()


def _quadratic(colours: Tensor) -> Tensor:
    """1, the channels, their squares and products: `[10, n]` of `[3, n]`."""
    x = colours / 127.5 - 1
    products = [x[i] * x[j] for i in range(3) for j in range(i, 3)]
    return torch.stack([torch.ones_like(x[0]), *x, *products])


def _covariance(points: Tensor) -> Tensor:
    # A spread of half a level in every direction: grey images have no inverse.
    return torch.cov(points) + 0.25 * torch.eye(3, dtype=points.dtype)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-9) ** exponent) @ vectors.T
