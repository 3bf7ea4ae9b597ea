"""Augmentation of what the discriminator sees, real and fake alike (DiffAugment, arXiv:2006.10738).

Every operation is differentiable in the images, so the generator learns through it.
"""

import torch
from torch import Tensor

from ganst.pixels import reflect_indices
from ganst.training.batched import move
from ganst.training.ranks import ALONE, Ranks


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
    line = reflect_indices(size, reach, reach).to(images.device)
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
        ranks.share(draw).to(images.device, images.dtype)[:, None, None, None]
        for draw in (brightness, saturation)
    )
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * saturation + brightness


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
