"""Photos in every style, on one sheet: a photo in large, or many in rows."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from ganst.models.stylepack import load_stylepack
from ganst.precision import choose_precision
from pipelines import storage
from pipelines.errors import UndecodableImageError
from pipelines.images import DecodedImage, decode, shrink
from pipelines.listing import list_files
from pipelines.sheets import write_text
from pipelines.styles import list_styles, open_stylizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from upath import UPath

T = TypeVar("T")

MAX_PHOTOS = 24  # on one sheet; of more, an even sample
_MAX_PIXELS = 200_000_000
_SIDE, _SMALL_SIDE = 640, 400  # px of one photo, of each of many
_COLUMNS = 3
_GAP, _SMALL_GAP = 24, 8
_CAPTION = 34
_PAPER = (247, 245, 240)


def write_style_sheet(photos: Sequence[str], home: Path | None, out: str) -> list[str]:
    """Stylize photos in every known style and write one JPEG; gives the styles' names.

    One photo is shown in large. Of many each has a row of its own, with the styles side by side.

    Args:
        photos: Files, or folders of which all photos are meant: what is no image there is passed over.
        home: Folder of the user's own styles.
        out: The JPEG file.

    Raises:
        UndecodableImageError: A file that was named is no image, or a folder holds none.
        EmptyFolderError: A folder without a file.

    """
    shown = _sample([image for path in photos for image in _read(storage.open_root(path))])
    if not shown:
        raise UndecodableImageError(f"there is no photo in {', '.join(photos)}")
    side = _SIDE if len(shown) == 1 else _SMALL_SIDE
    columns = {"photograph": [shrink(image, side).pixels for image in shown]}
    for folder in list_styles(home):
        pack = load_stylepack(folder)
        precision = choose_precision(pack.network)
        stylizer = open_stylizer(str(pack.path), pack.digest, "final", precision, 1.0)
        columns[pack.name] = [stylizer.stylize([pixels])[0] for pixels in columns["photograph"]]
    buffer = io.BytesIO()
    sheet = _draw_one(columns) if len(shown) == 1 else _draw_rows(columns)
    sheet.save(buffer, "JPEG", quality=92)
    storage.commit_bytes(storage.open_root(out), buffer.getvalue())
    return list(columns)[1:]


def _read(path: UPath) -> list[DecodedImage]:
    if not path.is_dir():
        return [_decoded(path)]
    files = [path / seen.source for seen in list_files(path) if seen.error is None]
    read = []
    for file in _sample(files):
        with contextlib.suppress(UndecodableImageError):
            read.append(_decoded(file))
    return read


def _decoded(path: UPath) -> DecodedImage:
    try:
        return decode(storage.read_bytes(path), max_pixels=_MAX_PIXELS, max_side=_SIDE)
    except UndecodableImageError as error:
        raise UndecodableImageError(f"{path}: {error}") from error


def _sample(items: list[T]) -> list[T]:
    """All, or MAX_PHOTOS of them, evenly."""
    count = min(len(items), MAX_PHOTOS)
    return [items[index * len(items) // count] for index in range(count)]


def _draw_one(columns: Mapping[str, Sequence[Tensor]]) -> Image.Image:
    height, width = columns["photograph"][0].shape[1:]
    num_columns = min(_COLUMNS, len(columns))
    lines = -(-len(columns) // _COLUMNS)
    cell_height = height + _CAPTION
    size = (_GAP + num_columns * (width + _GAP), _GAP + lines * (cell_height + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    for index, (name, images) in enumerate(columns.items()):
        x = _GAP + index % _COLUMNS * (width + _GAP)
        y = _GAP + index // _COLUMNS * (cell_height + _GAP)
        sheet.paste(_to_pil(images[0]), (x, y))
        write_text(sheet, name, (x, y + height + 8), size=18, width=width)
    return sheet


def _draw_rows(columns: Mapping[str, Sequence[Tensor]]) -> Image.Image:
    heights = [pixels.shape[1] for pixels in columns["photograph"]]
    tops = [_CAPTION + sum(heights[:row]) + row * _SMALL_GAP for row in range(len(heights))]
    step = max(pixels.shape[2] for pixels in columns["photograph"]) + _SMALL_GAP
    size = (_SMALL_GAP + len(columns) * step, tops[-1] + heights[-1] + _SMALL_GAP)
    sheet = Image.new("RGB", size, _PAPER)
    for index, (name, images) in enumerate(columns.items()):
        x = _SMALL_GAP + index * step
        write_text(sheet, name, (x, _SMALL_GAP), size=18, width=step)
        for top, pixels in zip(tops, images, strict=True):
            sheet.paste(_to_pil(pixels), (x, top))
    return sheet


def _to_pil(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
