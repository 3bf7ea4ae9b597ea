"""Which photos a benchmark may look at: halves by perceptual hash, none of them calibrated on."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn

from pipelines.calibrate import list_images
from pipelines.storage import open_root

NEAR_BITS = 10  # of 64; two photos that differ in fewer show one scene
HALVES = ("dev", "test")


def perceptual_hash(path: Path) -> int:
    """As `hash_image`, of a file."""
    with Image.open(path) as image:
        return hash_image(image)


def hash_image(image: Image.Image) -> int:
    """64 bits: which of the 8 x 8 slowest cosines of the 32-px thumbnail exceed their median."""
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    slow = dctn(grey, norm="ortho")[:8, :8].flatten()
    bits = slow > np.median(slow[1:])
    return int(np.packbits(bits).view(">u8")[0])


def hash_folder(folder: str) -> dict[str, int]:
    """Perceptual hashes of all photos below `folder` by relative name."""
    return {name: perceptual_hash(Path(folder) / name) for name in list_images(open_root(folder))}


def split(hashes: Mapping[str, int]) -> dict[str, str]:
    """Which half each photo is in; photos of one scene share theirs, whatever the file order."""
    scenes = _scenes(hashes)
    return {name: HALVES[_digest(scenes[name]) % 2] for name in sorted(hashes)}


def overlap(hashes: Mapping[str, int], known: Mapping[str, int]) -> dict[str, str]:
    """Photos that show a scene of `known`, and which one: these must not be tested on."""
    return {
        name: other
        for name, value in sorted(hashes.items())
        for other, seen in sorted(known.items())
        if distance(value, seen) < NEAR_BITS
    }


def distance(a: int, b: int) -> int:
    """Number of differing bits."""
    return (a ^ b).bit_count()


def take(names: Sequence[str], limit: int | None) -> list[str]:
    """The first `limit` in the order of a digest of their names: no folder comes first."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:limit]


def _scenes(hashes: Mapping[str, int]) -> dict[str, int]:
    """The smallest hash of each photo's scene; nearness is followed from photo to photo."""
    scene = dict(hashes)
    changed = True
    while changed:
        changed = False
        for name, value in hashes.items():
            least = min(scene[o] for o, v in hashes.items() if distance(value, v) < NEAR_BITS)
            changed |= least < scene[name]
            scene[name] = least
    return scene


def _digest(value: int) -> int:
    return hashlib.sha256(value.to_bytes(8, "big")).digest()[0]
