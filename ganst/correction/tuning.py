"""The last resort: a copy of the generator is trained on for one image and then thrown away.

Letters: N crops, H x W pixels of a crop. Crops are floats in [-1, 1].
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
import torch.nn.functional as F

from ganst.correction.strategies import MEGAPIXEL, NotApplicableError, Restyling
from ganst.exposure import in_good_light
from ganst.pixels import to_model
from ganst.training.losses import patch_distribution_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ganst.correction.strategies import Stylist, Subject
    from ganst.models.generator import ResnetGenerator

_CHECK_EVERY = 10  # steps
_TRAINING = 12.0  # megapixels through the network in fp32 would take as long
_PATIENCE = 2  # checks without gain
# Two took three times as long on a photo of 400 px, and came no nearer to its twin.
_BATCH = 1
_HOLD = 2.0
_BETAS = (0.5, 0.999)
_LUMA = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned(Restyling):
    """Up to 60 steps of the generator on crops of this photo; the weights are never written back.

    `towards` content: edges where the photo has them, as far as good outputs of the run have.
    Towards style: strokes as in good outputs. Either way the generator has to go on giving those
    outputs for their photos, which holds it to the style. Steps that do not help on crops held out of
    the training are taken back (arXiv:2411.03687 on adapting to single test images).
    """

    name: ClassVar[str] = "fine_tuned"
    runs: ClassVar[float] = 1.5
    towards: Literal["content", "style"] = "content"
    steps: int = 60
    rate: float = 2e-4
    crop: int = 160  # pixels
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100:
            raise ValueError(f"steps must be in 1..100, got {self.steps}")

    @property
    def used_as_loss(self) -> tuple[str, ...]:
        """What it optimises."""
        return (self.towards,)

    def making(self, pixels: int) -> float:
        """It trains as long on a small image as on a large one, and then runs once."""
        return _TRAINING + self.runs * pixels / MEGAPIXEL

    def in_precision(self, precision: str) -> Self:
        """Itself: bf16 is too coarse to train a few steps in."""
        del precision
        return self

    def produce(self, subject: Subject, stylist: Stylist) -> Tensor:
        """Train a copy on crops of the photo, then one run of it."""
        good = subject.good()
        if not good:
            raise NotApplicableError("there is no good output in this run to hold the style to")
        lesson = _Lesson(self, subject.source, good, stylist.generator(self.checkpoint))
        return stylist.run(tuned(lesson, self), subject.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops:
    """A batch, `[N, 3, H, W]` each: of the photo, and of good photos with their outputs."""

    photos: Tensor
    good_photos: Tensor
    good_outputs: Tensor


class _Lesson:
    """Crops to train on, in an order that the photo and the seed decide, and the losses."""

    def __init__(
        self,
        strategy: FineTuned,
        source: Tensor,
        good: Sequence[tuple[Tensor, ...]],
        generator: ResnetGenerator,
    ) -> None:
        stride = generator.config.stride
        least = min(min(x.shape[1:]) for x in (source, *(output for _, output in good)))
        side = min(strategy.crop, least) // stride * stride
        if side < 64:
            raise NotApplicableError(f"crops of {side} px are too small to learn from")
        self.generator = generator.requires_grad_(requires_grad=True).eval()
        seed = strategy.seed ^ zlib.crc32(source.numpy().tobytes())
        if generator.config.exposure == "kept":
            (source,) = in_good_light(source)
            good = [in_good_light(*pair) for pair in good]
        self.side, self.source = side, source
        self.good = list(good)
        self.wanted_edges = _usual_edge_loss(good)
        self.weights = (1.0, 0.3) if strategy.towards == "content" else (0.3, 1.0)
        self.random = torch.Generator().manual_seed(seed)
        held_out = torch.Generator().manual_seed(seed + 1)
        self.held_out = self._draw(held_out)

    def loss(self) -> Tensor:
        """On new crops."""
        return self._loss(self._draw(self.random), self.random)

    def held_out_loss(self) -> float:
        """On the same crops every time, with the same random filters."""
        with torch.no_grad():
            return float(self._loss(self.held_out, torch.Generator().manual_seed(0)))

    def _draw(self, random: torch.Generator) -> Crops:
        pairs = [
            self.good[int(torch.randint(len(self.good), (), generator=random))]
            for _ in range(_BATCH)
        ]
        cut = [_crop(torch.cat(pair), self.side, random) for pair in pairs]
        return Crops(
            photos=_to_batch([_crop(self.source, self.side, random) for _ in range(_BATCH)]),
            good_photos=_to_batch([both[:3] for both in cut]),
            good_outputs=_to_batch([both[3:] for both in cut]),
        )

    def _loss(self, crops: Crops, random: torch.Generator) -> Tensor:
        fakes, kept = self.generator(torch.cat([crops.photos, crops.good_photos])).chunk(2)
        content, style = self.weights
        # No more of the photo than good outputs have of theirs: beyond that lies the passthrough.
        edges = F.relu(edge_loss(crops.photos, fakes) - self.wanted_edges)
        strokes = patch_distribution_loss(fakes, crops.good_outputs, random, scales=3)
        hold = F.l1_loss(kept, crops.good_outputs)
        return content * edges + style * strokes + _HOLD * hold


def tuned(lesson: _Lesson, strategy: FineTuned) -> ResnetGenerator:
    """The generator with the weights that did best on the crop held out."""
    generator = lesson.generator
    optimizer = torch.optim.Adam(generator.parameters(), strategy.rate, _BETAS)
    best, kept, misses = lesson.held_out_loss(), _weights(generator), 0
    for step in range(1, strategy.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        lesson.loss().backward()
        optimizer.step()
        if step % _CHECK_EVERY == 0 or step == strategy.steps:
            found = lesson.held_out_loss()
            if found < best:
                best, kept, misses = found, _weights(generator), 0
            else:
                misses += 1
            if misses >= _PATIENCE:
                break
    generator.load_state_dict(kept)
    return generator.requires_grad_(requires_grad=False)


def edge_loss(photos: Tensor, fakes: Tensor) -> Tensor:
    """1 - correlation of the gradients of light at 1/2 and 1/4, `[N, 3, H, W]` both, in 0..2.

    A correlation: contrast and strokes between the edges are the style's own.
    """
    losses = []
    for factor in (2, 4):
        ours, theirs = (_gradients(F.avg_pool2d(images, factor)) for images in (fakes, photos))
        losses.append(1 - F.cosine_similarity(ours.flatten(1), theirs.flatten(1), dim=1).mean())
    return torch.stack(losses).mean()


@torch.no_grad()
def _usual_edge_loss(good: Sequence[tuple[Tensor, ...]]) -> float:
    pairs = [[to_model(x[None], torch.float32) for x in pair] for pair in good]
    return sum(float(edge_loss(*pair)) for pair in pairs) / len(pairs)


def _gradients(images: Tensor) -> Tensor:
    light = (images * _LUMA).sum(dim=1)
    across, down = light.diff(dim=2)[:, :-1], light.diff(dim=1)[:, :, :-1]
    return torch.stack([across, down], dim=1)


def _crop(image: Tensor, side: int, random: torch.Generator) -> Tensor:
    top, left = (
        int(torch.randint(length - side + 1, (), generator=random)) for length in image.shape[1:]
    )
    return image[:, top : top + side, left : left + side]


def _to_batch(crops: Sequence[Tensor]) -> Tensor:
    return to_model(torch.stack(list(crops)), torch.float32)


def _weights(generator: ResnetGenerator) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in generator.state_dict().items()}
