"""The losses of CUT (Park 2020, arXiv:2007.15651): least squares, PatchNCE, identity; and colour."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """LSGAN (Mao 2017, arXiv:1611.04076, eq. 2): real to 1, fake to 0."""
    return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())


def generator_loss(fake_logits: Tensor) -> Tensor:
    """LSGAN: fake to 1."""
    return (fake_logits - 1).square().mean()


def colour_loss(sources: Tensor, fakes: Tensor, factor: int = 16) -> Tensor:
    """Mean absolute difference of the images averaged over `factor` x `factor` pixels, in [0, 2].

    Nothing else in CUT says which colour of the paintings a region should take: without it skies
    turn yellow or red from run to run.
    """
    return F.l1_loss(F.avg_pool2d(fakes, factor), F.avg_pool2d(sources, factor))


def patch_distribution_loss(
    fakes: Tensor, reals: Tensor, generator: torch.Generator, *, scales: int = 3, filters: int = 48
) -> Tensor:
    """Sliced Wasserstein distance between the 7 x 7 patches of two batches, mean over `scales` octaves.

    Random directions in patch space are random filters (Elnekave 2022, arXiv:2203.11862). They sum
    to zero in each colour channel, so that strokes are compared and not the palette.
    """
    losses = []
    for scale in range(scales):
        weights = torch.randn(filters, 3, 7, 7, generator=generator).to(fakes.device)
        weights = weights - weights.mean(dim=(2, 3), keepdim=True)
        weights = weights / weights.flatten(1).norm(dim=1)[:, None, None, None]
        fake_lines, real_lines = (
            F.conv2d(_shrunk(images, scale), weights).transpose(0, 1).flatten(1).sort(dim=1).values
            for images in (fakes, reals)
        )  # [filters, N * positions]
        losses.append(F.l1_loss(fake_lines, real_lines))
    return torch.stack(losses).mean()


def _shrunk(images: Tensor, octaves: int) -> Tensor:
    return F.avg_pool2d(images, 2**octaves) if octaves else images


def flat_loss(sources: Tensor, fakes: Tensor, *, flat_below: float = 0.04) -> Tensor:
    """Mean detail that the fakes have where the sources have none, in [0, 2].

    Adversarial and stroke losses ask for texture everywhere; a convolution can answer in a clear sky
    only with a repeated pattern or with amplified JPEG blocks. `flat_below` is the standard deviation
    of the grey value, on [-1, 1], over 9 x 9 pixels under which a place counts as flat.
    """
    grey = sources.mean(dim=1, keepdim=True)
    variance = (_mean_around(grey.square(), 9) - _mean_around(grey, 9).square()).clamp_min(0)
    flatness = torch.exp(-variance / flat_below**2)  # [N, 1, H, W]
    return (flatness * (fakes - _mean_around(fakes, 7)).abs()).mean()


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
        embedded = [
            F.normalize(
                head(x.flatten(2)[..., chosen.to(x.device)].transpose(1, 2).float()), dim=-1
            )
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
