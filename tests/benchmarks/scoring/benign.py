"""Photos that are unusual and right: whatever a style makes of them must not be flagged."""

from collections.abc import Callable
from io import BytesIO

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganst.scoring.canonical import blur, gradients, native_light
from pipelines.images import decode, encode


def night(pixels: Tensor) -> Tensor:
    """Dark and bluish."""
    gains = torch.tensor([0.3, 0.34, 0.45])[:, None, None]
    return _to_pixels(255 * (pixels.float() / 255) ** 1.4 * gains)


def snow(pixels: Tensor) -> Tensor:
    """Nearly all light, little colour."""
    grey = 255 * native_light(pixels)[None]
    return _to_pixels(150 + 0.4 * torch.lerp(pixels.float(), grey.expand(3, -1, -1), 0.6))


def greyscale(pixels: Tensor) -> Tensor:
    """Black and white."""
    return _to_pixels(255 * native_light(pixels)[None].expand(3, -1, -1))


def flat_sky(pixels: Tensor) -> Tensor:
    """The upper half a smooth blue."""
    sky = torch.tensor([120.0, 170.0, 225.0])[:, None, None]
    share = torch.sigmoid((torch.linspace(0, 1, pixels.shape[1]) - 0.5) * 40)[:, None]
    return _to_pixels(share * pixels.float() + (1 - share) * sky)


def soft_background(pixels: Tensor) -> Tensor:
    """A sharp middle before a blurred background, as in a portrait."""
    height, width = pixels.shape[1:]
    rows, cols = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None, :]
    subject = torch.sigmoid(20 * (0.5 - torch.hypot(rows, cols * width / height)))
    image = pixels.float()
    return _to_pixels(subject * image + (1 - subject) * blur(image, 0.02 * min(height, width)))


def text(pixels: Tensor) -> Tensor:
    """Lines of black type on white over the lower part."""
    image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    draw = ImageDraw.Draw(image)
    size = max(12, image.height // 18)
    font = ImageFont.load_default(size)
    draw.rectangle((0, image.height // 2, image.width, image.height), fill="white")
    for row in range(image.height // 2 + size // 2, image.height - size, size * 3 // 2):
        draw.text((size, row), "The quick brown fox jumps over the lazy dog " * 2, "black", font)
    return decode(_png(image), max_pixels=10**9).pixels


def line_art(pixels: Tensor) -> Tensor:
    """Dark lines on white paper."""
    edges = torch.hypot(*gradients(blur(native_light(pixels)[None], 1.5)[0]))
    return _to_pixels((255 - 2500 * edges).expand(3, -1, -1))


def small(pixels: Tensor) -> Tensor:
    """Short side of 128 px."""
    return _resized(pixels, 128 / min(pixels.shape[1:]))


def large(pixels: Tensor) -> Tensor:
    """Enlarged twice."""
    return _resized(pixels, 2.0)


def shifted(pixels: Tensor) -> Tensor:
    """One row and one column less."""
    return pixels[:, 1:, 1:]


SOURCES: dict[str, Callable[[Tensor], Tensor]] = {
    "night": night,
    "snow": snow,
    "greyscale": greyscale,
    "flat_sky": flat_sky,
    "soft_background": soft_background,
    "text": text,
    "line_art": line_art,
    "small": small,
    "large": large,
    "shifted": shifted,
}
FORMATS = ("png", "webp")


def written(pixels: Tensor, file_format: str = "jpeg") -> Tensor:
    """What is read back from a file of that format at quality 95."""
    return decode(encode(pixels, format=file_format, quality=95), max_pixels=10**9).pixels


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _resized(pixels: Tensor, scale: float) -> Tensor:
    size = (round(pixels.shape[1] * scale), round(pixels.shape[2] * scale))
    return F.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0]


def _to_pixels(image: Tensor) -> Tensor:
    return image.round().clamp(0, 255).to(torch.uint8)
