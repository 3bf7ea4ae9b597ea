"""A worker's loaded style pack."""

from functools import lru_cache
from pathlib import Path
from typing import cast

from ganst.errors import StylePackError
from ganst.inference import Precision, Stylizer
from ganst.models.stylepack import load_generator, load_stylepack
from pipelines.devices import own_device
from pipelines.scratch import DEFAULT_MEMORY_MB, tiling_for
from pipelines.style_folders import BUNDLED, StyleNotFoundError, find_style, list_styles

__all__ = [
    "BUNDLED",
    "StyleNotFoundError",
    "find_style",
    "list_styles",
    "load_stylepack",
    "open_stylizer",
]


@lru_cache(maxsize=4)
def open_stylizer(
    path: str,
    digest: str,
    checkpoint: str,
    precision: str,
    strength: float,
    memory_mb: int = DEFAULT_MEMORY_MB,
) -> Stylizer:
    """The stylizer of a pack, loaded once per process; images over `memory_mb` are cut in strips.

    Raises:
        StylePackError: The pack at `path` is not the one with `digest`.

    """
    pack = load_stylepack(Path(path))
    if pack.digest != digest:
        raise StylePackError(
            f"the style pack at {path} changed: digest {pack.digest[:12]}, expected {digest[:12]}"
        )
    generator = load_generator(pack, checkpoint)
    return Stylizer(
        generator,
        cast("Precision", precision),
        strength=strength,
        device=own_device(),
        tiling=tiling_for(memory_mb),
    )
