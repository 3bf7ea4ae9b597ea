"""The losses of CUT (Park 2020, arXiv:2007.15651), and what says which strokes and colours are wanted."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.training.sorting import ascending

_PLACE = 9  # pixels a side, over which an image is called flat
_CHROMA_GAIN = 3.0


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """LSGAN (Mao 2017, arXiv:1611.04076, eq. 2): real to 1, fake to 0."""
    return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())


def generator_loss(fake_logits: Tensor) -> Tensor:
    """LSGAN: fake to 1."""
    return (fake_logits - 1).square().mean()


def cross_entropy_discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor, *, real_label: float = 0.9
) -> Tensor:
    """Cross-entropy: real to `real_label`, fake to 0. A label under 1 keeps D from being too sure.

    One-sided label smoothing (Salimans 2016, arXiv:1606.03498, section 3.4); mean of both halves.
    """
    real = F.binary_cross_entropy_with_logits(real_logits, torch.full_like(real_logits, real_label))
    fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return 0.5 * (real + fake)


def cross_entropy_generator_loss(fake_logits: Tensor) -> Tensor:
    """Cross-entropy: fake to 1 (Goodfellow 2014, arXiv:1406.2661, the form that does not saturate)."""
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def content_loss(fakes: Tensor, sources: Tensor, kind: str) -> Tensor:
    """Pixel by pixel: `mse` of images in [-1, 1], or `ce`, the cross-entropy of images in [0, 1].

    The cross-entropy of a copy is not 0 but the entropy of its source.
    """
    if kind == "mse":
        return F.mse_loss(fakes, sources)
    return F.binary_cross_entropy((fakes + 1) / 2, (sources + 1) / 2)


def colour_loss(sources: Tensor, fakes: Tensor, factor: int = 16) -> Tensor:
    """Mean absolute difference of the images averaged over `factor` x `factor` pixels, in [0, 2].

    Nothing else in CUT says which colour of the paintings a region should take: without it skies
    turn yellow or red from run to run.
    """
    return F.l1_loss(F.avg_pool2d(fakes, factor), F.avg_pool2d(sources, factor))


def patch_distribution_loss(
    fakes: Tensor,
    reals: Tensor,
    generator: torch.Generator,
    *,
    scales: int = 4,
    filters: int = 48,
    samples: int = 2048,
) -> Tensor:
    """Sliced Wasserstein distance between the 7 x 7 patches of two batches, mean over `scales` octaves.

    Random directions in patch space are random filters (Elnekave 2022, arXiv:2203.11862). They sum
    to zero in each channel of `_seen_in_rgb`, so that strokes are compared and not the palette. Each batch
    gives at most `samples` patches a scale: filtering and sorting all of them takes half of a training
    step on a CPU. Octaves in which an image has no 7 pixels left are passed over.
    """
    losses = []
    octaves = [scale for scale in range(scales) if min(fakes.shape[-2:]) >> scale >= 7]
    for scale in octaves:
        weights = torch.randn(filters, 3, 7 * 7, generator=generator)
        weights = weights - weights.mean(dim=2, keepdim=True)
        weights = F.normalize(weights.flatten(1), dim=1).view_as(weights)
        weights = _seen_in_rgb(weights).flatten(1).to(fakes.device, non_blocking=True)
        fake_lines, real_lines = (
            weights @ _patches(_shrunk(images, scale), 7, samples, generator).T
            for images in (fakes, reals)
        )  # [filters, samples]
        losses.append(wasserstein(fake_lines, real_lines))
    return torch.stack(losses).mean()


def palette_loss(
    fakes: Tensor,
    reals: Tensor,
    generator: torch.Generator,
    *,
    octaves: int = 2,
    directions: int = 24,
    samples: int = 4096,
) -> Tensor:
    """Sliced Wasserstein distance between the colours of two batches, averaged over 4 x 4 pixels.

    Directions are those of `_seen_in_rgb`. A batch shows a few crops, so a single value is noise; over many
    steps its gradient pulls the colours of all outputs towards those of all paintings.
    """
    weights = F.normalize(torch.randn(directions, 3, generator=generator), dim=1)
    weights = _seen_in_rgb(weights).to(fakes.device, non_blocking=True)
    fake_lines, real_lines = (
        weights @ _patches(_shrunk(images, octaves), 1, samples, generator).T
        for images in (fakes, reals)
    )
    return wasserstein(fake_lines, real_lines)


def wasserstein(p: Tensor, q: Tensor) -> Tensor:
    """The distance W1 between equally many samples `[K, M]` of K pairs of distributions, mean over K."""
    return F.l1_loss(ascending(p), ascending(q))


def _seen_in_rgb(weights: Tensor) -> Tensor:
    """Weights of lightness, red-green and yellow-blue, `[K, 3]` or `[K, 3, P]`, as weights of RGB.

    The channels of RGB move together: along them hue and saturation are a small part of every
    difference, and a style may come out twice as colourful, or with coloured fringes, unnoticed. The
    three axes are the principal ones of natural images (Ruderman 1998, JOSA A 15:2036); colour times
    `_CHROMA_GAIN` brings their spreads to one size. To turn a few weights is to turn no image.
    """
    axes = F.normalize(torch.tensor([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]]), dim=1)
    axes[1:] *= _CHROMA_GAIN
    return torch.einsum("ko...,oc->kc...", weights, axes)


def _patches(images: Tensor, size: int, samples: int, generator: torch.Generator) -> Tensor:
    """All patches, or `samples` random ones of them drawn with replacement: `[M, 3 * size * size]`."""
    num, channels, height, width = images.shape
    rows, columns = height - size + 1, width - size + 1
    # Few numbers, counted on the CPU: on a GPU each of these operations is a kernel of its own.
    places = torch.arange(num * rows * columns)
    if len(places) > samples:
        places = torch.randint(len(places), (samples,), generator=generator)
    n, y, x = places // (rows * columns), places // columns % rows, places % columns
    corners = n * channels * height * width + y * width + x
    c, dy, dx = torch.meshgrid(
        *(torch.arange(length) for length in (channels, size, size)), indexing="ij"
    )
    inside = (c * height * width + dy * width + dx).flatten()
    corners, inside = (part.to(images.device, non_blocking=True) for part in (corners, inside))
    return images.flatten()[corners[:, None] + inside]


def _shrunk(images: Tensor, octaves: int) -> Tensor:
    return F.avg_pool2d(images, 2**octaves) if octaves else images


def flat_loss(sources: Tensor, fakes: Tensor, *, flat_below: float = 0.04) -> Tensor:
    """Mean detail that the fakes have where the sources have none, in [0, 2].

    Adversarial and stroke losses ask for texture everywhere; a convolution can answer in a clear sky
    only with a repeated pattern or with amplified JPEG blocks. `flat_below` is the standard deviation
    of the grey value, on [-1, 1], over 9 x 9 pixels under which a place counts as flat.
    """
    grey = sources.mean(dim=1, keepdim=True)
    return (_flatness(grey, flat_below) * (fakes - _mean_around(fakes, 7)).abs()).mean()


def blotch_loss(
    sources: Tensor, fakes: Tensor, *, octaves: Sequence[int] = (2, 3), plain_below: float = 0.1
) -> Tensor:
    """Mean change of colour that the fakes have where the sources have none, in [0, 2].

    As `flat_loss`, over 36 and 72 pixels: the palette loss asks for all colours of the paintings in
    every batch, and the cheapest answer is a red cloud in the middle of a plain sky. `plain_below` is
    the standard deviation, on [-1, 1], of what is left of a place's colours at 1/4 and 1/8 of the size.
    Octaves in which an image is smaller than that are passed over.
    """
    terms = [torch.zeros((), device=fakes.device)]
    for octave in octaves:
        if min(fakes.shape[-2:]) >> octave < _PLACE:
            continue
        plain = _flatness(_shrunk(sources, octave), plain_below)
        small = _shrunk(fakes, octave)
        terms.append((plain * (small - _mean_around(small, _PLACE)).abs()).mean())
    return torch.stack(terms).sum() / len(octaves)


def _flatness(images: Tensor, below: float) -> Tensor:
    """1 where all of a place has one colour, 0 far above a standard deviation of `below`: `[N, 1, H, W]`."""
    means = _mean_around(images, _PLACE).square()
    variance = (_mean_around(images.square(), _PLACE) - means).clamp_min(0)
    return torch.exp(-variance.mean(dim=1, keepdim=True) / below**2)


def _mean_around(images: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(images, size, stride=1, padding=size // 2, count_include_pad=False)


class PatchNCE(nn.Module):
    """Patches of G(x) must be told apart by the patch of x at the same place (arXiv:2007.15651, eq. 3).

    The patch networks are made here, not on first use: optimizers and checkpoints can count on them.
    """

    def __init__(self, channels: Sequence[int], *, num_patches: int = 256, size: int = 256) -> None:
        super().__init__()
        self.num_patches = num_patches
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, size), nn.ReLU(), nn.Linear(size, size)) for c in channels
        )

    def forward(
        self, queries: Sequence[Tensor], keys: Sequence[Tensor], generator: torch.Generator
    ) -> Tensor:
        """Features of G(x) and of x, each a list of `[N, C, H, W]`, -> scalar, mean over layers."""
        losses = [
            self._layer_loss(head, q, k.detach(), generator)
            for head, q, k in zip(self.heads, queries, keys, strict=True)
        ]
        return torch.stack(losses).mean()

    def _layer_loss(
        self, head: nn.Module, q: Tensor, k: Tensor, generator: torch.Generator
    ) -> Tensor:
        num_positions = q.shape[-2] * q.shape[-1]
        chosen = torch.randperm(num_positions, generator=generator)[: self.num_patches]
        chosen = chosen.to(q.device, non_blocking=True)
        embedded = [
            F.normalize(head(x.flatten(2)[..., chosen].transpose(1, 2).float()), dim=-1)
            for x in (q, k)
        ]  # 2 x [N, P, size]
        return patch_nce(embedded[0], embedded[1])


def patch_nce(q: Tensor, k: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE of unit vectors `[N, P, D]`: patch p of `q` against all patches of `k` of its image.

    The keys are detached: the generator learns through the queries only, as in CUT.
    """
    logits = q @ k.detach().transpose(1, 2) / temperature  # [N, P, P], the diagonal is right
    target = torch.arange(q.shape[1], device=q.device).expand(q.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())
