"""Made-up photos with enough in them to be scored: sky, ground, edges, grain."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def scene(seed: int, size: tuple[int, int] = (144, 112)) -> Image.Image:
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        left, top = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        width, height = (int(length) for length in rng.integers(8, 50, 2))
        colour = tuple(int(level) for level in rng.integers(0, 256, 3))
        draw.rectangle((left, top, left + width, top + height), fill=colour)
    grain = rng.normal(0, rng.uniform(1, 9), (size[1], size[0], 1))
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def make_scenes(folder: Path, num: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(num):
        scene(first + index).save(folder / f"{chr(97 + index % 11)}{index}.png")
    return folder
