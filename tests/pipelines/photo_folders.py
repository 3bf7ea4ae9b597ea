"""Folders of photos as people have them, and a small real style to put on them."""

import io
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import StylePack, save_stylepack
from pipelines.config import RunConfig
from pipelines.runs import Run, open_run

NUM_GOOD = 20


def smooth(width: int, height: int, seed: int = 0) -> Image.Image:
    """A soft colourful picture: noise on a 4 x 4 grid, enlarged."""
    grid = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def file_of(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=name, **options)
    return buffer.getvalue()


def make_photos(folder: Path, num: int, size: tuple[int, int] = (48, 36)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        smooth(*size, seed=i).save(folder / f"photo{i:02d}.jpg", quality=90)
    return folder


def make_odd_folder(folder: Path) -> dict[str, str | None]:
    """The folder of odd files; gives the words to find in the error of each bad one, by name."""
    make_photos(folder, NUM_GOOD)
    jpeg = file_of(smooth(200, 150), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = (np.arange(40 * 30).reshape(30, 40) * 54).astype(np.uint16)
    odd = {
        "zero.jpg": (b"", "empty"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "text.png": (b"Dear diary, today I made no picture.\n", "not an image"),
        "cmyk.jpg": (file_of(smooth(40, 30).convert("CMYK"), "JPEG"), None),
        "deep.png": (file_of(Image.fromarray(deep), "PNG"), None),
        "clear.png": (file_of(with_alpha(smooth(40, 30)), "PNG"), None),
        "rotated.jpg": (file_of(smooth(40, 30), "JPEG", exif=exif), None),
        "dot.png": (file_of(smooth(1, 1), "PNG"), None),
        "strip.jpg": (file_of(smooth(3000, 50), "JPEG"), None),
        "näme with spaces & <b>.jpg": (jpeg, None),
        "a.jpg": (file_of(smooth(40, 30, 7), "JPEG"), None),
        "a.png": (file_of(smooth(40, 30, 8), "PNG"), None),
    }
    for name, (data, _) in odd.items():
        (folder / name).write_bytes(data)
    return {name: words for name, (_, words) in odd.items()}


def with_alpha(image: Image.Image) -> Image.Image:
    ramp = np.linspace(0, 255, image.width * image.height).reshape(image.height, image.width)
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(ramp.astype(np.uint8)))
    return image


def swapped_profile() -> bytes:
    """An ICC profile like sRGB, but with the primaries of red and blue swapped (ICC.1:2001-04)."""
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)
    curve = struct.pack(">4sIIH2x", b"curv", 0, 1, round(2.2 * 256))
    text = b"swapped\0"
    tags = {
        b"desc": struct.pack(">4sII", b"desc", 0, len(text)) + text + bytes(78),
        b"cprt": struct.pack(">4sI", b"text", 0) + b"none\0",
        b"wtpt": _xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": _xyz(blue),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(red),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, blob in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(blob))
        body += blob + bytes(-len(blob) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4xI", size, 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + _xyz((0.9642, 1.0, 0.8249))[8:]
    return head.ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(v * 65536) for v in values))


def make_style(folder: Path) -> StylePack:
    """A real, tiny, untrained generator in a real style pack."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        generator = ResnetGenerator(PRESETS["tiny"].generator)
    return save_stylepack(folder / "toy", {"final": generator}, {})


def make_run(photos: Path | str, out: Path | str, pack: StylePack, **config: object) -> Run:
    settings = {"photos": str(photos), "style": "toy", "out": str(out), "precision": "fp32"}
    return open_run(RunConfig.model_validate(settings | config), pack)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
