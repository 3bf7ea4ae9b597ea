"""One photo in every style, on one sheet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from ganst.models.stylepack import load_stylepack
from ganst.precision import choose_precision
from pipelines import storage
from pipelines.images import decode, shrink
from pipelines.sheets import write_text
from pipelines.styles import list_styles, open_stylizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

_MAX_PIXELS = 200_000_000
_SIDE = 640
_COLUMNS = 3
_GAP = 24
_CAPTION = 34
_PAPER = (247, 245, 240)


def write_style_sheet(photo: str, home: Path | None, out: str) -> list[str]:
    """Stylize the photo in every known style and write one JPEG; gives the styles' names.

    Raises:
        UndecodableImageError: The photo is no image.

    """
    data = storage.read_bytes(storage.open_root(photo))
    pixels = shrink(decode(data, max_pixels=_MAX_PIXELS), _SIDE).pixels
    precision = choose_precision()
    named = [("photograph", pixels)]
    for folder in list_styles(home):
        pack = load_stylepack(folder)
        stylizer = open_stylizer(str(pack.path), pack.digest, "final", precision, 1.0)
        named.append((pack.name, stylizer.stylize([pixels])[0]))
    buffer = io.BytesIO()
    _draw(named).save(buffer, "JPEG", quality=92)
    storage.commit_bytes(storage.open_root(out), buffer.getvalue())
    return [name for name, _ in named[1:]]


def _draw(named: Sequence[tuple[str, Tensor]]) -> Image.Image:
    height, width = named[0][1].shape[1:]
    columns = min(_COLUMNS, len(named))
    lines = -(-len(named) // _COLUMNS)
    cell_height = height + _CAPTION
    size = (_GAP + columns * (width + _GAP), _GAP + lines * (cell_height + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    for index, (name, pixels) in enumerate(named):
        x = _GAP + index % _COLUMNS * (width + _GAP)
        y = _GAP + index // _COLUMNS * (cell_height + _GAP)
        sheet.paste(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()), (x, y))
        write_text(sheet, name, (x, y + height + 8), size=18, width=width)
    return sheet
