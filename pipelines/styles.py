"""Where style packs are found, and a worker's loaded one."""

from functools import lru_cache
from pathlib import Path
from typing import cast

from ganst.errors import StylePackError
from ganst.inference import Precision, Stylizer
from ganst.models.stylepack import load_generator, load_stylepack
from pipelines.scratch import DEFAULT_MEMORY_MB, tiling_for

BUNDLED = Path(__file__).parent / "stylepacks"


class StyleNotFoundError(ValueError):
    """No style pack of that name or at that path."""


def list_styles(home: Path | None) -> list[Path]:
    """Folders of all packs, bundled ones first; a bundled name wins over the same name in `home`."""
    found: dict[str, Path] = {}
    for place in (BUNDLED, home):
        if place is None or not place.is_dir():
            continue
        for folder in sorted(place.iterdir()):
            if (folder / "card.json").is_file():
                found.setdefault(folder.name, folder)
    return list(found.values())


def find_style(style: str, home: Path | None) -> Path:
    """The folder of the pack that `style` names, or that it is the path of.

    Raises:
        StyleNotFoundError: With the names that are known.

    """
    by_name = {folder.name: folder for folder in list_styles(home)}
    if style in by_name:
        return by_name[style]
    if (Path(style) / "card.json").is_file():
        return Path(style).resolve()
    known = ", ".join(sorted(by_name)) or "none"
    raise StyleNotFoundError(f"no style {style!r}: the known styles are {known}")


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
        tiling=tiling_for(memory_mb),
    )
