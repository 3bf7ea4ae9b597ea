"""Candidates that no person would deliver, to be refused by the acceptance test: over 130 an image.

All images are uint8 `[3, H, W]`.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.correction.colours import transport_colours
from ganst.correction.strategies import to_pixels
from ganst.scoring.canonical import blur

_TINTS = ((1.3, 1.0, 0.7), (0.7, 1.0, 1.3), (1.1, 1.2, 0.8), (1.2, 0.9, 1.1))

Score = Callable[[Tensor], float]  # of a candidate; small is good


def bad_candidates(
    photo: Tensor, output: Tensor, donor: Tensor, score: Score, *, seed: int = 0
) -> Iterator[tuple[str, Tensor]]:
    """Each with its kind; `donor` is a good output of another photo."""
    yield from (("the photo, filtered", image) for image in filtered_photos(photo, output))
    yield from (("a blend", image) for image in blends(photo, output))
    yield from (("degraded", image) for image in degraded(output))
    yield from (("another image", image) for image in others(photo, donor))
    yield from (("a nudged photo", image) for image in nudged(photo, score, seed=seed))
    half = to_pixels(torch.lerp(photo.float(), output.float(), 0.5))
    yield from (("a nudged blend", image) for image in nudged(half, score, seed=seed))
    smooth = to_pixels(blur(output.float(), 2.5))
    yield from (("a nudged blur", image) for image in nudged(smooth, score, seed=seed))


def filtered_photos(photo: Tensor, output: Tensor) -> Iterator[Tensor]:
    """The photo, and what a camera app makes of it."""
    image = photo.float()
    grey = image.mean(dim=0, keepdim=True)
    fine, coarse = image - blur(image, 1.5), image - blur(image, 6.0)
    yield photo
    yield to_pixels(transport_colours(image, output.float()))
    yield to_pixels(grey.expand_as(image))
    yield from (to_pixels(grey + factor * (image - grey)) for factor in (0.3, 0.6, 1.5, 2.0, 3.0))
    yield from (to_pixels(128 + gain * (image - 128)) for gain in (0.6, 0.8, 1.2, 1.5))
    yield from (to_pixels(image + offset) for offset in (-50.0, -25.0, 25.0, 50.0))
    yield from (to_pixels(image * torch.tensor(tint)[:, None, None]) for tint in _TINTS)
    for amount in (0.5, 1.0, 2.0, 4.0):
        yield to_pixels(image + amount * fine)
        yield to_pixels(image + amount * coarse)
    yield from (to_pixels(blur(image, sigma)) for sigma in (0.7, 1.5, 3.0, 6.0))
    yield from (_posterised(image, levels) for levels in (3, 5, 8, 16))
    yield from painted_over(transport_colours(image, output.float()))


def painted_over(image: Tensor) -> Iterator[Tensor]:
    """A photo in the right colours with a canvas over it, or with its detail smoothed to patches."""
    noise = blur(torch.randn(image.shape, generator=torch.Generator().manual_seed(0)), 1.0)
    yield from (to_pixels(image + 3 * amplitude * noise) for amplitude in (4.0, 10.0, 20.0))
    yield from (to_pixels(_median(image, size)) for size in (3, 5, 9))


def blends(photo: Tensor, output: Tensor) -> Iterator[Tensor]:
    """Photo and output mixed: by pixels, by light and colour, by fine and coarse, by places."""
    recoloured = transport_colours(photo.float(), output.float())
    for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        yield to_pixels(torch.lerp(photo.float(), output.float(), share))
        yield to_pixels(torch.lerp(recoloured, output.float(), share))
    light_in, light_out = (x.float().mean(dim=0, keepdim=True) for x in (photo, output))
    yield to_pixels(output.float() - light_out + light_in)
    yield to_pixels(photo.float() - light_in + light_out)
    for sigma in (2.0, 4.0, 8.0, 16.0):
        coarse_in, coarse_out = blur(photo.float(), sigma), blur(output.float(), sigma)
        yield to_pixels(photo.float() - coarse_in + coarse_out)
        yield to_pixels(output.float() - coarse_out + coarse_in)
    yield from (pasted(output, photo, share) for share in (0.5, 0.7))
    for dim in (1, 2):
        half = photo.shape[dim] // 2
        for a, b in ((photo, output), (output, photo)):
            pieces = (a.narrow(dim, 0, half), b.narrow(dim, half, b.shape[dim] - half))
            yield torch.cat(pieces, dim=dim)


def pasted(output: Tensor, photo: Tensor, share: float, start: float | None = None) -> Tensor:
    """The output with the photo left in it, `share` of either side from `start` on, else in the middle."""
    height, width = photo.shape[1:]
    tall, wide = round(share * height), round(share * width)
    top, left = (
        (whole - part) // 2 if start is None else round(start * whole)
        for whole, part in ((height, tall), (width, wide))
    )
    image = output.clone()
    inside = (slice(None), slice(top, top + tall), slice(left, left + wide))
    image[inside] = photo[inside]
    return image


def degraded(output: Tensor) -> Iterator[Tensor]:
    """A good output, damaged as files and networks get damaged."""
    image = output.float()
    rng = torch.Generator().manual_seed(1)
    yield from (to_pixels(blur(image, sigma)) for sigma in (1.5, 2.5, 4.0, 8.0))
    yield from (
        to_pixels(image + amplitude * torch.randn(image.shape, generator=rng))
        for amplitude in (12.0, 25.0, 50.0)
    )
    yield from (to_pixels(image + 30 * _grid(image, period)) for period in (2, 4, 8))
    yield from (_in_blocks(image, factor) for factor in (3, 6, 12))
    yield from (to_pixels(image * factor) for factor in (0.5, 0.7, 1.4, 1.8))
    yield from (output[list(order)] for order in ((1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1)))
    yield from (_holed(image, share) for share in (0.2, 0.35))
    yield from (_posterised(image, levels) for levels in (3, 5))
    yield 255 - output


def others(photo: Tensor, donor: Tensor) -> Iterator[Tensor]:
    """Outputs of another photo, mirrored and turned ones, and images of nothing."""
    size = (int(photo.shape[1]), int(photo.shape[2]))
    fitted = F.interpolate(donor[None], size=size, mode="bicubic", antialias=True)[0]
    yield fitted
    yield fitted.flip(2)
    yield fitted.flip(1)
    for share in (0.2, 0.4, 0.6, 0.8):
        yield to_pixels(torch.lerp(photo.float(), fitted.float(), share))
    yield to_pixels(transport_colours(photo.float(), fitted.float()))
    for shift in (20, 60):
        yield fitted.roll((shift, shift), dims=(1, 2))
    rng = torch.Generator().manual_seed(2)
    yield torch.randint(256, photo.shape, generator=rng).to(torch.uint8)
    for level in (0, 128, 255):
        yield torch.full_like(photo, level)
    yield to_pixels(fitted.float().mean(dim=(1, 2), keepdim=True).expand(fitted.shape))
    yield to_pixels(F.interpolate(torch.rand(1, 3, 6, 6, generator=rng) * 255, size=size)[0])


def nudged(start: Tensor, score: Score, *, seed: int = 0, tries: int = 30) -> Iterator[Tensor]:
    """A random search for a better score from `start`: what it has after every second step.

    Each step tries a pattern of another scale and colour and keeps it where the score falls.
    """
    rng = torch.Generator().manual_seed(3 + seed)
    best, image = float("inf"), start.float()
    for step in range(tries):
        sigma = (0.6, 1.5, 4.0)[step % 3]
        pattern = torch.randn(image.shape, generator=rng)
        tried = image + 24 * sigma * blur(pattern, sigma)
        found = score(to_pixels(tried))
        if found < best:
            best, image = found, tried
        if step % 2:
            yield to_pixels(image)


def _grid(image: Tensor, period: int) -> Tensor:
    grid = torch.zeros_like(image)
    grid[:, ::period] = 1
    return grid


def _in_blocks(image: Tensor, factor: int) -> Tensor:
    small = F.avg_pool2d(image[None], factor)
    return to_pixels(F.interpolate(small, size=image.shape[1:], mode="nearest")[0])


def _holed(image: Tensor, share: float) -> Tensor:
    height, width = (round(share * length) for length in image.shape[1:])
    holed = image.clone()
    holed[:, height : 2 * height, width : 2 * width] = 128
    return to_pixels(holed)


def _posterised(image: Tensor, levels: int) -> Tensor:
    return to_pixels((image / 255 * (levels - 1)).round() * 255 / (levels - 1))


def _median(image: Tensor, size: int) -> Tensor:
    padded = F.pad(image[None], (size // 2,) * 4, mode="reflect")
    windows = F.unfold(padded, size).reshape(3, size * size, -1)
    return windows.median(dim=1).values.reshape(image.shape)
