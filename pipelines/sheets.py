"""Contact sheets: photo and output side by side with a caption, as JPEG files for any viewer."""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from pipelines import storage, thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from pipelines.report_draft import Draft
    from pipelines.runs import Run

# Sheets are for a glance. Of a larger run they show an even sample.
MAX_SHEETS = 8
_COLUMNS = 3
_ROWS = 5
_SIDE = 300
_GAP = 28
_CAPTION = 44
_SEAM = 4
_PAPER = (247, 245, 240)
_INK = (29, 27, 24)
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")
_MUTED = (119, 113, 106)


def write_sheets(run: Run, draft: Draft) -> None:
    """Write sheets/flagged-NN.jpg and sheets/ok-NN.jpg; sheets of an earlier report go."""
    rows = draft.overview
    is_ok = pc.fill_null(pc.equal(rows["status"], "ok"), False)
    written = {
        *_write(run, "flagged", draft, pc.and_(rows["was_flagged"], rows["output"])),
        *_write(run, "ok", draft, is_ok),
    }
    if run.folder.sheets.is_dir():
        for path in run.folder.sheets.iterdir():
            if path.name.endswith(".jpg") and path.name not in written:
                path.unlink(missing_ok=True)


def _write(run: Run, name: str, draft: Draft, mask: pa.ChunkedArray) -> list[str]:
    """The sheets of the rows under the mask; gives their file names."""
    per_sheet = _COLUMNS * _ROWS
    picked = draft.take(thumbnails.places_evenly(mask, MAX_SHEETS * per_sheet)).to_pylist()
    names = []
    for start in range(0, len(picked), per_sheet):
        names.append(f"{name}-{start // per_sheet + 1:02}.jpg")
        sheet = draw_sheet(run, picked[start : start + per_sheet])
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=88, optimize=True)
        storage.commit_bytes(run.folder.sheets / names[-1], buffer.getvalue())
    return names


def draw_sheet(run: Run, rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Pairs of photo and output; on a sheet with corrections the first output stands between them.

    A picture that is gone leaves its place empty.
    """
    has_corrections = any(row["status"] == "corrected" for row in rows)
    columns = _COLUMNS - has_corrections
    entries = [_pictures(run, row, with_first=has_corrections) for row in rows]
    lines = range(0, len(rows), columns)
    heights = [max(map(_height, entries[start : start + columns])) for start in lines]
    width = len(entries[0]) * (_SIDE + _SEAM) - _SEAM
    sheet = Image.new(
        "RGB",
        (
            _GAP + min(columns, len(rows)) * (width + _GAP),
            _GAP + sum(height + _CAPTION + _GAP for height in heights),
        ),
        _PAPER,
    )
    y = _GAP
    for start, height in zip(lines, heights, strict=True):
        for column, index in enumerate(range(start, min(start + columns, len(rows)))):
            x = _GAP + column * (width + _GAP)
            for place, picture in enumerate(entries[index]):
                _paste(sheet, picture, x + place * (_SIDE + _SEAM), y + height)
            _caption(sheet, rows[index], x, y + height + 8, width)
        y += height + _CAPTION + _GAP
    return sheet


def draw_strip(pictures: Sequence[tuple[str, Image.Image]], title: str) -> Image.Image:
    """Labelled pictures side by side, a title above them."""
    width = sum(picture.width for _, picture in pictures) + _SEAM * (len(pictures) - 1)
    height = max(picture.height for _, picture in pictures)
    strip = Image.new("RGB", (width + 2 * _GAP, height + 2 * _CAPTION + _GAP // 2), _PAPER)
    write_text(strip, title, (_GAP, _GAP // 2), size=17, width=width)
    x = _GAP
    for label, picture in pictures:
        strip.paste(picture, (x, _CAPTION))
        place = (x, _CAPTION + picture.height + 8)
        write_text(strip, label, place, size=15, colour=_MUTED, width=picture.width)
        x += picture.width + _SEAM
    return strip


def _pictures(
    run: Run, row: Mapping[str, Any], *, with_first: bool
) -> tuple[Image.Image | None, ...]:
    photo = thumbnails.photo(run, row, _SIDE)
    if not with_first:
        return photo, thumbnails.output(run, row, _SIDE)
    first = thumbnails.first_output(run, row, _SIDE)
    is_corrected = row["status"] == "corrected"
    return photo, first, thumbnails.output(run, row, _SIDE) if is_corrected else None


def _height(pictures: tuple[Image.Image | None, ...]) -> int:
    return max((picture.height for picture in pictures if picture is not None), default=0)


def _paste(sheet: Image.Image, picture: Image.Image | None, x: int, bottom: int) -> None:
    """Bottom-aligned, so that captions sit under the pictures."""
    if picture is not None:
        sheet.paste(picture, (x + (_SIDE - picture.width) // 2, bottom - picture.height))


def _caption(sheet: Image.Image, row: Mapping[str, Any], x: int, y: int, width: int) -> None:
    p = row["p_anomaly"]
    judgement = [row["status"], row["reason"] and row["reason"].replace("_", " "), row["strategy"]]
    said = [str(word) for word in judgement if word] + ([f"p {p:.2g}"] if p is not None else [])
    write_text(sheet, row["source"], (x, y), size=15, colour=_INK, width=width)
    write_text(sheet, " · ".join(said), (x, y + 19), size=13, colour=_MUTED, width=width)


def write_text(
    sheet: Image.Image,
    text: str,
    place: tuple[int, int],
    *,
    size: int,
    colour: tuple[int, int, int] = _INK,
    width: int,
) -> None:
    """One line, its beginning cut off where it is wider than `width` px: the end tells files apart."""
    draw = ImageDraw.Draw(sheet)
    font, has_all_letters = _font(size)
    if not has_all_letters:
        text = unicodedata.normalize("NFKD", text.replace("·", "-"))
        text = text.encode("ascii", "ignore").decode()
    cut = text
    while draw.textlength(cut, font=font) > width and len(cut) > 4:
        cut = "..." + cut[4:]
    draw.text(place, cut, fill=colour, font=font)


@cache
def _font(size: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, bool]:
    """A font of the system, else Pillow's own, which knows hardly more than ASCII."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size), True
        except OSError:
            continue
    return ImageFont.load_default(size), False
