"""Augmentation: of what the discriminator sees, real and fake alike, and of the photos' colours.

What the discriminator sees is DiffAugment (arXiv:2006.10738): every operation is differentiable in the
images, so the generator learns through it. Photos alone are graded, before the generator sees them.
"""

import torch
from torch import Tensor

from ganst.pixels import reflect_indices
from ganst.training.batched import move
from ganst.training.ranks import ALONE, Ranks

_SATURATION = (0.7, 1.8)
_WARMTH = (-0.1, 0.2)


def augment(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks = ALONE
) -> Tensor:
    """`[N, 3, H, W]`, H = W, in [-1, 1] -> the same shape; each image by its own draw.

    A rotation by a multiple of 90 degrees always, translation, brightness and saturation each with `probability`.
    Of `ranks` that share a batch every one draws for all images.
    """
    if images.device.type == "cpu":
        images = rotate(images, generator, ranks)
        images = translate(images, generator, probability, ranks)
    else:
        images = move_batch(images, generator, probability, ranks)
    return recolour(images, generator, probability, ranks)


def rotate(images: Tensor, generator: torch.Generator, ranks: Ranks = ALONE) -> Tensor:
    """Turn every image by a random multiple of 90 degrees, and mirror half of them.

    Strokes lose their preferred direction for the discriminator. Without this, skies get a
    repeated vertical texture.
    """
    turns, mirrored = _draw_turns(images, generator, ranks)
    rotated = [
        torch.rot90(image.flip(-1) if mirror else image, turn, (-2, -1))
        for image, turn, mirror in zip(images, turns.tolist(), mirrored.tolist(), strict=True)
    ]
    return torch.stack(rotated)


def translate(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks = ALONE
) -> Tensor:
    """Shift images by up to an eighth of the side, mirrored at the edge."""
    size = images.shape[-1]
    reach = size // 8
    shifts = _draw_shifts(images, generator, probability, ranks)
    line = reflect_indices(size, reach, reach).to(images.device, non_blocking=True)
    shifted = [
        image[:, line[reach + dy : reach + dy + size]][:, :, line[reach + dx : reach + dx + size]]
        for image, (dy, dx) in zip(images, shifts.tolist(), strict=True)
    ]
    return torch.stack(shifted)


def move_batch(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks = ALONE
) -> Tensor:
    """`translate` of `rotate`, from the same draws in one operation."""
    size = images.shape[-1]
    turns, mirrored = _draw_turns(images, generator, ranks)
    shifts = _draw_shifts(images, generator, probability, ranks)
    reach = size // 8
    line = reflect_indices(size, reach, reach)
    shown = line[reach + shifts[:, :, None] + torch.arange(size)]  # [N, 2, S]
    draws = (turns, mirrored, shown[:, 0], shown[:, 1])
    return move(images, *(draw.to(images.device, non_blocking=True) for draw in draws))


def recolour(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks = ALONE
) -> Tensor:
    """Brightness by up to ±0.2, saturation by a factor of 0.6 to 1.4."""
    total = ranks.size * len(images)
    chosen = torch.rand(2, total, generator=generator) < probability
    brightness = (torch.rand(total, generator=generator) * 0.4 - 0.2) * chosen[0]
    saturation = 1 + (torch.rand(total, generator=generator) * 0.8 - 0.4) * chosen[1]
    brightness, saturation = (
        ranks.share(draw).to(images.device, images.dtype, non_blocking=True)[:, None, None, None]
        for draw in (brightness, saturation)
    )
    return _saturated(images, saturation) + brightness


def grade(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks = ALONE
) -> Tensor:
    """Photos in other colours: more or less saturated, bluer or warmer, each with `probability`.

    What a generator makes of colours follows the photo's, so that from everyday photos, more saturated
    and warmer than skies by day, it gives more colour than the paintings have. Saturation is multiplied
    by 0.7 to 1.8, red and blue by 1 + t and 1 - t, t from -0.1 (shade) to 0.2 (lamps).
    """
    total = ranks.size * len(images)
    chosen = torch.rand(2, total, generator=generator) < probability
    saturation, warmth = (
        low + torch.rand(total, generator=generator) * (high - low)
        for low, high in (_SATURATION, _WARMTH)
    )
    saturation = torch.where(chosen[0], saturation, 1.0)
    warmth = torch.where(chosen[1], warmth, 0.0)
    gains = torch.stack([1 + warmth, torch.ones(total), 1 - warmth], dim=1)
    saturation, gains = (
        ranks.share(draw).to(images.device, images.dtype, non_blocking=True)[:, :, None, None]
        for draw in (saturation[:, None], gains)
    )
    light = (_saturated(images, saturation) + 1).clamp_min(0) * gains
    return light.clamp_max(2) - 1


def _saturated(images: Tensor, factor: Tensor) -> Tensor:
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * factor


def _draw_turns(images: Tensor, generator: torch.Generator, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Quarters to turn and whether to mirror first, `[N]` each, on the CPU."""
    total = ranks.size * len(images)
    turns = ranks.share(torch.randint(4, (total,), generator=generator))
    return turns, ranks.share(torch.rand(total, generator=generator) < 0.5)


def _draw_shifts(
    images: Tensor, generator: torch.Generator, probability: float, ranks: Ranks
) -> Tensor:
    """Pixels down and to the right, `[N, 2]`, on the CPU."""
    reach, total = images.shape[-1] // 8, ranks.size * len(images)
    shifts = torch.randint(-reach, reach + 1, (total, 2), generator=generator)
    return ranks.share(shifts * (torch.rand(total, 1, generator=generator) < probability))
