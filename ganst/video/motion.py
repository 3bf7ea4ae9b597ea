"""Short clips out of a photo, as a hand-held camera would take them: to learn what is usual, and to test."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

_PAN = 2.5  # pixels a frame, at most
_ZOOM = 0.006  # of the picture a frame, at most
_SHAKE = 0.4  # pixels, standard deviation
_NOISE = 3.0  # levels, standard deviation at most


def moving(
    photo: Tensor, num_frames: int, size: tuple[int, int], generator: torch.Generator
) -> Iterator[Tensor]:
    """Frames uint8 `[3, H, W]` of `size` (H, W) out of a photo uint8 `[3, h, w]`.

    Pan, zoom, a shaking hand and the noise of a sensor, each of random strength; at the edge of the
    photo the picture is mirrored.
    """
    pan = _uniform(generator, 2, _PAN)
    zoom = float(_uniform(generator, 1, _ZOOM))
    noise = float(_uniform(generator, 1, _NOISE).abs())
    height, width = size
    scale = max(height / photo.shape[1], width / photo.shape[2])
    large = F.interpolate(photo[None], scale_factor=scale * 1.1, mode="bicubic", antialias=True)
    large = large.float()
    for number in range(num_frames):
        shake = _SHAKE * torch.randn(2, generator=generator)
        x, y = (pan * (number - num_frames / 2) + shake).tolist()
        frame = _window(large, size, (x, y), 1 + zoom * (number - num_frames / 2))
        frame = frame + noise * torch.randn(frame.shape, generator=generator)
        yield frame.round().clamp(0, 255).to(torch.uint8)


def _window(
    image: Tensor, size: tuple[int, int], offset: tuple[float, float], zoom: float
) -> Tensor:
    """A window `[3, H, W]` of `[1, 3, h, w]`, `offset` (x, y) pixels from its middle."""
    (height, width), (tall, wide) = size, image.shape[2:]
    across, down = width / wide / zoom, height / tall / zoom
    matrix = torch.tensor([[across, 0.0, 2 * offset[0] / wide], [0.0, down, 2 * offset[1] / tall]])
    grid = F.affine_grid(matrix[None], [1, 3, height, width], align_corners=False)
    return F.grid_sample(
        image, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]


def _uniform(generator: torch.Generator, count: int, limit: float) -> Tensor:
    return (2 * torch.rand(count, generator=generator) - 1) * limit
