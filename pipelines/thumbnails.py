"""Small copies of a run's photos and outputs, for people to look at; never measured."""

from __future__ import annotations

import base64
import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipelines import storage
from pipelines.errors import PathLeavesRootError, UndecodableImageError
from pipelines.images import decode
from pipelines.video.poster import poster
from pipelines.video.signature import may_be_clip

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from upath import UPath

    from pipelines.runs import Run

    ReportRow = Mapping[str, Any]


def photo(run: Run, row: ReportRow, side: int) -> Image.Image | None:
    """The photo of a report row; None where it cannot be read any more."""
    try:
        path = storage.resolve_inside(storage.open_root(run.config.photos), row["source"])
    except PathLeavesRootError:
        return None
    return thumbnail(path, side, run.config.max_pixels)


def first_output(run: Run, row: ReportRow, side: int) -> Image.Image | None:
    """What came out at first: set aside if a correction replaced it, else what `output` names."""
    relative = "/".join(PurePosixPath(row["output"]).parts[1:])
    superseded = run.folder.superseded(relative)
    path = superseded if superseded.exists() else run.folder.root / row["output"]
    return thumbnail(path, side, run.config.max_pixels)


def output(run: Run, row: ReportRow, side: int) -> Image.Image | None:
    """The image that the row's `output` names."""
    return thumbnail(run.folder.root / row["output"], side, run.config.max_pixels)


def suggestion(run: Run, row: ReportRow, side: int) -> Image.Image | None:
    """The refused correction that a person may take."""
    return thumbnail(run.folder.root / row["suggestion"], side, run.config.max_pixels)


def thumbnail(path: UPath, side: int, max_pixels: int) -> Image.Image | None:
    """RGB, upright, the long side at most `side` px; None where the file is gone or cannot be read.

    A report must not fail because a photo was moved after it was stylized. Of a clip: one frame.
    """
    if may_be_clip(path.name) and (frame := poster(path, side)):
        return frame
    try:
        decoded = decode(storage.read_bytes(path), max_pixels=max_pixels)
    except (OSError, UndecodableImageError):
        return None
    picture = Image.fromarray(decoded.pixels.permute(1, 2, 0).numpy())
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def places_evenly(mask: pa.ChunkedArray, at_most: int) -> np.ndarray:
    """Numbers of at most so many rows of those under the mask, the same distance apart."""
    places = np.flatnonzero(mask.to_numpy())
    count = min(len(places), at_most)
    return places[np.arange(count) * len(places) // max(count, 1)]


def data_uri(picture: Image.Image, quality: int = 82) -> str:
    """A JPEG inside a `data:` address, for a page that needs no other file."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
