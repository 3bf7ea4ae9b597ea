"""What styles make of dark photos: with the exposure kept, and ignored.

    python tests/benchmarks/dark.py --photos DIR [--style PACK ...] [--limit 22] [--picture FILE]

Photos that are bright enough, at most 480 px a side, and the same at a quarter of their light. Prints the
medians over the photos, of photos and of outputs; what is painted well is painted the same by day and night:

  strokes  spread of light within 9 px, over the mean light
  colour   mean difference of the largest and the smallest channel, over the mean light
  off      mean levels between the output of the darkened photo and a quarter of the output of the photo
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganst.exposure import exposure_of
from ganst.inference import Stylizer
from ganst.models.generator import ResnetGenerator
from ganst.models.stylepack import load_generator, load_stylepack
from ganst.precision import choose_precision
from pipelines.styles import BUNDLED

_SIDE_PX = 480
_SHARE = 4  # of its light that a photo is left: one of so many
_LINE = "{:24} {:16} {:>8} {:>8} {:>6}"

Exposure = Literal["ignored", "kept"]


def main() -> None:
    """Print a line for each style, by day, and by night in both ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--style", type=Path, action="append", help="else the bundled ones")
    parser.add_argument("--limit", type=int, default=22)
    parser.add_argument(
        "--picture", type=Path, help="gets the dark photos and both outputs of the last style"
    )
    arguments = parser.parse_args()
    photos = open_bright(arguments.photos)
    photos = photos[:: max(1, len(photos) // arguments.limit)][: arguments.limit]
    dark = [darken(photo) for photo in photos]
    print(f"{len(photos)} photos")
    print(_LINE.format("", "", "strokes", "colour", "off"))
    print_line("photos", "", photos)
    for pack in arguments.style or sorted(path for path in BUNDLED.iterdir() if path.is_dir()):
        by_day = stylizer(pack, "ignored").stylize(photos)
        print_line(pack.name, "day", by_day)
        by_night = {
            exposure: stylizer(pack, exposure).stylize(dark) for exposure in get_args(Exposure)
        }
        for exposure, outputs in by_night.items():
            print_line("", f"night, {exposure}", outputs, off(outputs, by_day))
        if arguments.picture:
            draw([dark, *by_night.values()]).save(arguments.picture, quality=90)


def open_bright(folder: Path) -> list[Tensor]:
    """The photos that no network would be shown any brighter than they are."""
    photos = []
    for path in sorted(folder.rglob("*.jpg")):
        image = Image.open(path).convert("RGB")
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        photos.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return [photo for photo in photos if exposure_of(photo) == 1]


def darken(photo: Tensor) -> Tensor:
    """A quarter of the light, as its values are."""
    return (photo.float() / _SHARE).round().to(torch.uint8)


def stylizer(pack: Path, exposure: Exposure) -> Stylizer:
    """The network of a pack, whatever its card says of exposure."""
    trained = load_generator(load_stylepack(pack))
    network = ResnetGenerator(replace(trained.config, exposure=exposure))
    network.load_state_dict(trained.state_dict())
    return Stylizer(network.eval(), choose_precision(network.config))


def print_line(name: str, light: str, images: Sequence[Tensor], more: str = "") -> None:
    """Medians over the images."""
    strokes, colour = (
        float(np.median([float(value(image.float())) for image in images]))
        for value in (_strokes, _colour)
    )
    print(_LINE.format(name, light, f"{strokes:.3f}", f"{colour:.3f}", more), flush=True)


def off(by_night: Sequence[Tensor], by_day: Sequence[Tensor]) -> str:
    """Median over the photos of the mean difference, in levels."""
    pairs = zip(by_night, by_day, strict=True)
    levels = [float((a.float() - b.float() / _SHARE).abs().mean()) for a, b in pairs]
    return f"{np.median(levels):.1f}"


def draw(columns: Sequence[Sequence[Tensor]]) -> Image.Image:
    """Images side by side, a row for each photo."""
    tallest = [max(image.shape[1] for image in row) for row in zip(*columns, strict=True)]
    sheet = Image.new("RGB", (_SIDE_PX * len(columns), sum(tallest)))
    for number, column in enumerate(columns):
        for row, image in enumerate(column):
            pixels = Image.fromarray(image.permute(1, 2, 0).numpy())
            sheet.paste(pixels, (_SIDE_PX * number, sum(tallest[:row])))
    return sheet


def _strokes(image: Tensor) -> Tensor:
    light = image.mean(dim=0)
    around = F.avg_pool2d(light[None, None], 9, 1, 4, count_include_pad=False)[0, 0]
    return (light - around).std() / light.mean()


def _colour(image: Tensor) -> Tensor:
    return (image.amax(dim=0) - image.amin(dim=0)).mean() / image.mean()


if __name__ == "__main__":
    main()
