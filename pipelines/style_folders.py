"""Where style packs are found; nothing is loaded for it."""

from pathlib import Path

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
