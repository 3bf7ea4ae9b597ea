"""Where style packs are found; no weights are loaded for it."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from pipelines.errors import GanstError

BUNDLED = Path(__file__).parent / "stylepacks"


class StyleNotFoundError(ValueError):
    """No style pack of that name or at that path."""


class StyleFolderError(GanstError):
    """A folder that a calibration cannot be written to."""


def list_styles(home: Path | None) -> list[Path]:
    """Folders of all packs, bundled ones first.

    Of a bundled name the pack in `home` counts if its weights are the same ones: it is an own copy.
    """
    found: dict[str, Path] = {}
    for place in (BUNDLED, home):
        if place is None or not place.is_dir():
            continue
        for folder in sorted(place.iterdir()):
            if (folder / "card.json").is_file():
                found.setdefault(folder.name, own_copy(folder, home))
    return list(found.values())


def own_copy(pack: Path, home: Path | None) -> Path:
    """The copy in `home` of a bundled pack, which may have another calibration; else the pack itself."""
    if home is None or pack.parent != BUNDLED:
        return pack
    copied = home / pack.name
    return copied if _digest_of(copied) == _digest_of(pack) else pack


def notes_on_copies(pack: Path, home: Path | None) -> tuple[str, ...]:
    """What a person should know whose own copy of a bundled style does not count any more."""
    if home is None or pack.parent != BUNDLED or not (home / pack.name).exists():
        return ()
    return (
        f"{home / pack.name} has other weights than the bundled {pack.name} and its calibration does not count:"
        " remove it, and calibrate again",
    )


def pack_to_calibrate(style: str, home: Path) -> Path:
    """The folder that a calibration of `style` is written to; a bundled one by name is copied to `home`.

    The package's own files are not the user's: others use them, and the next version replaces them.

    Raises:
        StyleNotFoundError: With the names that are known.
        StyleFolderError: It cannot be written to, or other weights have the name of a bundled style.

    """
    pack = find_style(style, home)
    if pack.parent == BUNDLED and style == pack.name:
        return _copied(pack, home / pack.name)
    if not os.access(pack, os.W_OK):
        raise StyleFolderError(f"{pack} cannot be written to.")
    return pack


def _copied(pack: Path, target: Path) -> Path:
    if target.exists():
        raise StyleFolderError(
            f"{target} has other weights than the bundled {pack.name}: remove or rename it first."
        )
    home = target.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{pack.name}-", dir=home) as folder:
        made = Path(shutil.copytree(pack, Path(folder) / pack.name, copy_function=shutil.copyfile))
        made.rename(target)
    return target


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


def _digest_of(pack: Path) -> object:
    """What the card says; None where there is none that can be read."""
    try:
        return json.loads((pack / "card.json").read_text("utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
