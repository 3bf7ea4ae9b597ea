"""Augmentation of what the discriminator sees, real and fake alike (DiffAugment, arXiv:2006.10738).

Every operation is differentiable in the images, so the generator learns through it.
"""

import torch
from torch import Tensor

from ganst.pixels import reflect_indices


def augment(images: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """`[N, 3, H, W]`, H = W, in [-1, 1] -> the same shape; each image by its own draw.

    A rotation by a multiple of 90 degrees always, translation, brightness and saturation each with `probability`.
    """
    images = rotate(images, generator)
    images = translate(images, generator, probability)
    return recolour(images, generator, probability)


def rotate(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn every image by a random multiple of 90 degrees, and mirror half of them.

    Strokes lose their preferred direction for the discriminator. Without this, skies get a
    repeated vertical texture.
    """
    turns = torch.randint(4, (len(images),), generator=generator).tolist()
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).tolist()
    rotated = [
        torch.rot90(image.flip(-1) if mirror else image, turn, (-2, -1))
        for image, turn, mirror in zip(images, turns, mirrored, strict=True)
    ]
    return torch.stack(rotated)


def translate(images: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """Shift images by up to an eighth of the side, mirrored at the edge."""
    size = images.shape[-1]
    reach = size // 8
    shifts = torch.randint(-reach, reach + 1, (len(images), 2), generator=generator)
    shifts = shifts * (torch.rand(len(images), 1, generator=generator) < probability)
    line = reflect_indices(size, reach, reach).to(images.device)
    shifted = [
        image[:, line[reach + dy : reach + dy + size]][:, :, line[reach + dx : reach + dx + size]]
        for image, (dy, dx) in zip(images, shifts.tolist(), strict=True)
    ]
    return torch.stack(shifted)


def recolour(images: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """Brightness by up to ±0.2, saturation by a factor of 0.6 to 1.4."""
    chosen = torch.rand(2, len(images), generator=generator) < probability
    brightness = (torch.rand(len(images), generator=generator) * 0.4 - 0.2) * chosen[0]
    saturation = 1 + (torch.rand(len(images), generator=generator) * 0.8 - 0.4) * chosen[1]
    brightness, saturation = (
        draw.to(images.device, images.dtype)[:, None, None, None]
        for draw in (brightness, saturation)
    )
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * saturation + brightness
