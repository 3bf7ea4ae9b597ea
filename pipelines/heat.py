"""Heat maps of a run's outputs: read, measured against what is usual in the run, and drawn."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from PIL import Image

from ganst.scoring.cells import Cells, measure_cells
from ganst.scoring.heatmap import (
    MIN_PAIRS,
    LocalScale,
    excess_map,
    has_hot_place,
    measures_in_words,
    place_in_words,
    to_heat,
)
from pipelines.errors import PathLeavesRootError, StaleSourceError, UndecodableImageError
from pipelines.judging import read_output
from pipelines.placing import first_output
from pipelines.stylize import read_source
from pipelines.thumbnails import places_evenly
from pipelines.video.signature import is_clip_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipelines.runs import Run

    ReportRow = Mapping[str, Any]

SAMPLE = 24  # good outputs that say what is usual
# In no painter's palette that is bundled, and neither red nor green for those who tell them apart badly.
_COLOUR = (255, 0, 110)
_STRONGEST = 0.8
_GAMMA = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """`heat` float32 `[h, w]`, 0 = usual; where it lies and what it is of, in words."""

    heat: torch.Tensor
    place: str
    words: tuple[str, ...]


def usual_of(run: Run, report: pa.Table) -> LocalScale | None:
    """What is usual in this run: from its outputs that are not flagged; None where they are too few.

    At most 24 of them, an even sample in the order of their names.
    """
    is_clip = [is_clip_output(name) for name in report["output"].to_pylist()]
    mask = pc.and_not(is_good(report, run.config.alpha), pa.array(is_clip, pa.bool_()))
    return usual_among(run, report.take(places_evenly(mask, SAMPLE)).to_pylist())


def is_good(report: pa.Table, alpha: float) -> pa.ChunkedArray:
    """Which rows are of outputs that were judged and are fine."""
    judged = pc.greater(pc.fill_null(report["p_anomaly"], 0.0), alpha)
    return pc.and_(judged, pc.fill_null(pc.equal(report["status"], "ok"), False))


def usual_among(run: Run, rows: Iterable[ReportRow]) -> LocalScale | None:
    """The same from the outputs of these rows."""
    found = [_cells(run, row) for row in rows]
    cells = [one for one in found if one is not None]
    return LocalScale.fit(cells) if len(cells) >= MIN_PAIRS else None


def heat_of(run: Run, row: ReportRow, usual: LocalScale | None) -> Heat | None:
    """The heat of the first output of a report row; None where photo or output cannot be read."""
    pair = read_pair(run, row)
    if pair is None:
        return None
    try:
        excess = excess_map(*pair, usual)
    except ValueError:  # too small, too long, or of two sizes
        return None
    rows, cols = excess.shape[1:]
    heat = to_heat(excess, (4 * rows, 4 * cols))
    words = measures_in_words(excess) if has_hot_place(heat) else ()
    return Heat(heat=heat, place=place_in_words(heat), words=words)


def read_pair(run: Run, row: ReportRow) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The photo as it was stylized and the first output, uint8 `[3, H, W]`; None where one is gone, and of a clip."""
    relative = "/".join(PurePosixPath(row["output"]).parts[1:])
    if is_clip_output(relative):
        return None
    output, _ = read_output(first_output(run.folder, relative), run.config.max_pixels)
    if output is None:
        return None
    config = run.config
    try:
        photo = read_source(
            run.photos, row["source"], row["source_sha256"], config.max_pixels, config.max_side
        )
    except (StaleSourceError, UndecodableImageError, PathLeavesRootError, OSError):
        return None
    return photo.pixels, output.pixels


def overlay(heat: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """The heat as RGBA of `size` (width, height): one colour, as opaque as it is hot."""
    opacity = (heat.clamp(0, 1) ** _GAMMA * _STRONGEST * 255).round().to(torch.uint8)
    alpha = Image.fromarray(opacity.numpy()).resize(size, Image.Resampling.BICUBIC)
    layer = Image.new("RGB", size, _COLOUR)
    layer.putalpha(alpha)
    return layer


def overlay_uri(heat: torch.Tensor, size: tuple[int, int]) -> str:
    """`overlay` inside a `data:` address; a browser scales it up smoothly, so it may be small."""
    buffer = io.BytesIO()
    overlay(heat, size).save(buffer, "WEBP", quality=60, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def painted(picture: Image.Image, heat: torch.Tensor) -> Image.Image:
    """A greyed copy of the picture with the heat over it."""
    grey = Image.fromarray(np.asarray(picture.convert("L"))).convert("RGB")
    faded = Image.blend(picture.convert("RGB"), grey, 0.6)
    faded.paste(
        Image.new("RGB", picture.size, _COLOUR), mask=overlay(heat, picture.size).getchannel("A")
    )
    return faded


def _cells(run: Run, row: ReportRow) -> Cells | None:
    pair = read_pair(run, row)
    if pair is None or pair[0].shape != pair[1].shape:
        return None
    return measure_cells(*pair)
