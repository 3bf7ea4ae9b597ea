"""Do the scores mean something? Photos outside training and calibration; five crude faults.

    python tests/benchmarks/scores.py --photos DIR [--style vangogh] [--limit 40]

Stylizes the photos as production does, then puts each fault into every output, with Pillow and not
with the project's own fault injector, and prints which share of each falls to p <= 0.05.
"""

import argparse
import io
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image, ImageFilter, ImageOps

from ganst.models.stylepack import StylePack, load_stylepack
from ganst.precision import choose_precision
from pipelines.calibrate import list_images
from pipelines.config import ComputeConfig
from pipelines.images import decode, encode
from pipelines.score import score_pairs
from pipelines.storage import open_root
from pipelines.styles import find_style, open_stylizer

ALPHA = 0.05
_SQUARE_PX = 64

Fault = Callable[[Image.Image, Image.Image, Image.Image, random.Random], Image.Image]


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="photos that nothing was fitted on")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    pack = load_stylepack(find_style(arguments.style, None))
    with tempfile.TemporaryDirectory() as folder:
        results = measure(pack, arguments.photos, Path(folder), arguments.limit)
    print(f"style {pack.name} {pack.digest[:12]}, {len(results)} outputs, p <= {ALPHA}:")
    for kind, rows in results.groupby("kind", sort=False):
        low = rows.p_anomaly <= ALPHA
        print(f"  {kind:12} {low.sum():4} of {len(rows):4} = {low.mean():6.1%}")
        if kind == "untouched":
            print(f"  {'':12} flagged: {', '.join(rows.source[low]) or 'none'}")
        elif not low.all():
            print(f"  {'':12} missed: {', '.join(rows.source[~low])}")


def measure(pack: StylePack, photos: str, folder: Path, limit: int) -> pd.DataFrame:
    """Columns kind, source, p_anomaly, anomaly for untouched outputs and for every fault."""
    root = open_root(photos)
    names = list_images(root)[:limit]
    stylizer = open_stylizer(str(pack.path), pack.digest, "final", choose_precision(), 1.0)
    outputs = {}
    for name in names:
        (output,) = stylizer.stylize([decode((root / name).read_bytes(), max_pixels=10**9).pixels])
        path = Path(name).with_suffix(".jpg")
        _write(folder / "untouched" / path, encode(output, format="jpeg"))
        outputs[name] = Image.open(folder / "untouched" / path)
    for kind, fault in FAULTS.items():
        rng = random.Random(0)
        for index, name in enumerate(names):
            source = Image.open(io.BytesIO((root / name).read_bytes())).convert("RGB")
            other = outputs[names[(index + len(names) // 2) % len(names)]]
            buffer = io.BytesIO()
            fault(source, outputs[name], other, rng).save(buffer, "JPEG", quality=95, subsampling=0)
            _write(folder / kind / Path(name).with_suffix(".jpg"), buffer.getvalue())
    return pd.concat(_scored(pack, photos, folder, kind) for kind in ("untouched", *FAULTS))


def _scored(pack: StylePack, photos: str, folder: Path, kind: str) -> pd.DataFrame:
    out = folder / f"{kind}.parquet"
    score_pairs(photos, str(folder / kind), pack.path, str(out), ComputeConfig())
    rows = pd.read_parquet(out)
    return rows[rows.score_status == "scored"].assign(kind=kind)[
        ["kind", "source", "p_anomaly", "anomaly"]
    ]


def _write(path: Path, blob: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)


def _black_square(output: Image.Image, rng: random.Random) -> Image.Image:
    damaged = output.copy()
    left = rng.randrange(max(output.width - _SQUARE_PX, 1))
    top = rng.randrange(max(output.height - _SQUARE_PX, 1))
    damaged.paste((0, 0, 0), (left, top, left + _SQUARE_PX, top + _SQUARE_PX))
    return damaged


FAULTS: dict[str, Fault] = {
    "source": lambda source, _output, _other, _rng: source,
    "other": lambda _source, output, other, _rng: other.resize(output.size),
    "blur": lambda _source, output, _other, _rng: output.filter(ImageFilter.GaussianBlur(4)),
    "inverted": lambda _source, output, _other, _rng: ImageOps.invert(output),
    "square": lambda _source, output, _other, rng: _black_square(output, rng),
}


if __name__ == "__main__":
    main()
