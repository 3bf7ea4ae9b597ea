"""Contact sheets: photo and output side by side with a caption, as JPEG files for any viewer."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from pipelines import storage, thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from pipelines.runs import Run

# Sheets are for a glance. Of a larger run they show an even sample.
MAX_SHEETS = 8
_COLUMNS = 3
_ROWS = 5
_SIDE = 300
_GAP = 28
_CAPTION = 40
_PAPER = (247, 245, 240)
_INK = (29, 27, 24)
_MUTED = (119, 113, 106)


def write_sheets(run: Run, report: pa.Table) -> None:
    """Write sheets/flagged-NN.jpg and sheets/ok-NN.jpg; sheets of an earlier report go."""
    was_flagged = report["was_flagged"]
    is_ok = pc.fill_null(pc.equal(report["status"], "ok"), False)
    written = {
        *_write(run, "flagged", report.filter(pc.and_(was_flagged, pc.is_valid(report["output"])))),
        *_write(run, "ok", report.filter(is_ok)),
    }
    if run.folder.sheets.is_dir():
        for path in run.folder.sheets.iterdir():
            if path.name.endswith(".jpg") and path.name not in written:
                path.unlink()


def _write(run: Run, name: str, rows: pa.Table) -> list[str]:
    """The sheets of these rows; gives their file names."""
    per_sheet = _COLUMNS * _ROWS
    picked = thumbnails.sample_evenly(rows, MAX_SHEETS * per_sheet)
    names = []
    for start in range(0, len(picked), per_sheet):
        names.append(f"{name}-{start // per_sheet + 1:02}.jpg")
        sheet = draw_sheet(run, picked[start : start + per_sheet])
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=88, optimize=True)
        storage.commit_bytes(run.folder.sheets / names[-1], buffer.getvalue())
    return names


def draw_sheet(run: Run, rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Three pairs a line; a picture that is gone leaves its place empty."""
    cell_width, cell_height = 2 * _SIDE + 4, _SIDE + _CAPTION
    columns = min(_COLUMNS, len(rows))
    lines = -(-len(rows) // _COLUMNS)
    sheet = Image.new(
        "RGB",
        (_GAP + columns * (cell_width + _GAP), _GAP + lines * (cell_height + _GAP)),
        _PAPER,
    )
    for index, row in enumerate(rows):
        x = _GAP + index % _COLUMNS * (cell_width + _GAP)
        y = _GAP + index // _COLUMNS * (cell_height + _GAP)
        _paste(sheet, thumbnails.photo(run, row, _SIDE), x, y)
        _paste(sheet, thumbnails.output(run, row, _SIDE), x + _SIDE + 4, y)
        _caption(sheet, row, x, y + _SIDE + 8, cell_width)
    return sheet


def _paste(sheet: Image.Image, picture: Image.Image | None, x: int, y: int) -> None:
    """Bottom-aligned, so that captions sit under the pictures."""
    if picture is not None:
        sheet.paste(picture, (x + (_SIDE - picture.width) // 2, y + _SIDE - picture.height))


def _caption(sheet: Image.Image, row: Mapping[str, Any], x: int, y: int, width: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    name = row["source"]
    while draw.textlength(name, font=font) > width and len(name) > 4:
        name = "…" + name[2:]
    draw.text((x, y), name, fill=_INK, font=font)
    judgement = [row["status"], row["reason"] and row["reason"].replace("_", " "), row["strategy"]]
    p = row["p_anomaly"]
    said = [str(word) for word in judgement if word] + ([f"p {p:.2g}"] if p is not None else [])
    draw.text((x, y + 18), " · ".join(said), fill=_MUTED, font=ImageFont.load_default(13))
