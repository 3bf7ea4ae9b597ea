"""The photos of the other benchmarks, found in unpacked packages by their perceptual hashes.

    apt-get download gcompris-qt-data mate-backgrounds tuxpaint-data plasma-workspace-wallpapers \\
        lomiri-wallpapers-16.04 palapeli-data && for deb in *.deb; do dpkg-deb -x $deb unpacked; done
    pip download --no-deps scikit-image scikit-learn && for whl in *.whl; do unzip -qo $whl -d unpacked; done
    PYTHONPATH=. python tests/benchmarks/photos.py unpacked --out DIR

`DIR/testing` gets the photos that nothing was trained or calibrated on (`scoring/photos.csv`; those of
the demo are in the project), `DIR/calibration` the everyday photos of the bundled calibrations: numbers come first in
their names, so that each is a group of its own to `ganst calibrate`. Files of Qt resources (.rcc) are
looked through for the images in them.
"""

import argparse
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tests.benchmarks.scoring.splits import distance, hash_image

_LISTS = Path(__file__).parent / "scoring"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_SMALLEST, _LARGEST = 150, 2500  # pixels: of the short side, of the long side as kept
_CALIBRATED = 800  # pixels of the long side: what the calibrations had
_SAME = 4  # of 64 bits: another size or quality of one photo
_WEBP = re.compile(rb"RIFF(.{4})WEBP", re.DOTALL)
_JPEG = re.compile(rb"\xff\xd8\xff[\xdb\xe0\xe1\xee]")
_LONGEST = 8_000_000  # bytes of a JPEG inside of another file


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photo of a list: where it is to be put, its hash, and the longest side that is kept."""

    place: Path
    phash: int
    side: int


def main() -> None:
    """Find and write them; say which were not found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="of unpacked packages")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    wanted = list(read_lists())
    found = search(wanted, (image for folder in arguments.folders for image in images(folder)))
    for photo, image in found.items():
        image.thumbnail((photo.side, photo.side), Image.Resampling.LANCZOS)
        path = arguments.out / photo.place
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=95)
    print(f"{len(found)} of {len(wanted)} photos found")
    for photo in wanted:
        if photo not in found:
            print(f"not found: {photo.place}")


def read_lists() -> Iterator[Wanted]:
    """What is tested on, and the photos of the calibrations that are no landscapes of the training."""
    for row in _rows("photos.csv"):
        if row["package"] != "pipelines/demo":
            place = Path("testing") / row["name"]
            yield Wanted(place.with_suffix(".jpg"), int(row["phash"], 16), _LARGEST)
    for row in _rows("calibration_photos.csv"):
        if row["use"] == "calibration" and not row["name"].startswith("landscapes/"):
            place = Path("calibration") / row["name"]
            yield Wanted(place.with_suffix(".jpg"), int(row["phash"], 16), _CALIBRATED)


def search(wanted: Iterable[Wanted], found: Iterable[Image.Image]) -> dict[Wanted, Image.Image]:
    """The image nearest in hash for each photo, the largest of equals; none that is not the same."""
    wanted, best = list(wanted), {}
    for image in found:
        value = hash_image(image)
        for photo in wanted:
            rank = (distance(value, photo.phash), -image.width)
            if rank[0] <= _SAME and (photo not in best or rank < best[photo][0]):
                best[photo] = (rank, image)
    return {photo: image for photo, (_, image) in best.items()}


def images(folder: Path) -> Iterator[Image.Image]:
    """All images below a folder that are large enough, in RGB."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".rcc":
            pieces = carve(path.read_bytes())
        else:
            pieces = [path.read_bytes()] if path.suffix.lower() in _SUFFIXES else []
        for piece in pieces:
            try:
                image = Image.open(io.BytesIO(piece)).convert("RGB")
            except (UnidentifiedImageError, OSError, SyntaxError):
                continue
            if min(image.size) >= _SMALLEST:
                yield image


def carve(data: bytes) -> Iterator[bytes]:
    """WebP and JPEG images inside of another file, where it keeps them as they are."""
    for match in _WEBP.finditer(data):
        length = int.from_bytes(match[1], "little") + 8
        yield data[match.start() : match.start() + length]
    for match in _JPEG.finditer(data):
        yield data[match.start() : match.start() + _LONGEST]


def _rows(name: str) -> list[dict[str, str]]:
    with (_LISTS / name).open(newline="") as lines:
        return list(csv.DictReader(lines))


if __name__ == "__main__":
    main()
