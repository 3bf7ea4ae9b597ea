"""The pictures of the page: small copies inside of it, links to the large files beside it."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipelines import storage, thumbnails
from pipelines.errors import PathLeavesRootError
from pipelines.heat import heat_of, overlay_uri
from pipelines.video.signature import is_clip_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PIL import Image
    from upath import UPath

    from ganst.scoring.heatmap import LocalScale
    from pipelines.runs import Run

    Row = Mapping[str, Any]
    Picture = dict[str, str]
    Heating = dict[str, str]

# What is embedded of a large run. All other rows show the files themselves, as long as the page
# lies in its RUN folder.
MAX_FLAGGED = 240
MAX_GOOD = 60
_SMALL_SIDE_PX = 320
_GOOD_SIDE_PX = 400
_LARGE_SIDE_PX = 640
# Heat maps are of the worst: each takes as long as reading photo and output once more.
MAX_HEATED = 120
_HEAT_SIDE_PX = 192  # a browser scales it up smoothly
# Up to here every picture is embedded large: 24 rows of 3 come to about 10 MB.
_FEW_ROWS = 24

_MAKERS: Mapping[str, Callable[[Run, Row, int], Image.Image | None]] = {
    "photo": thumbnails.photo,
    "first": thumbnails.first_output,
    "delivered": thumbnails.output,
    "suggested": thumbnails.suggestion,
}


def roles(row: Row) -> tuple[str, ...]:
    """Which pictures a row of the report has, from left to right."""
    if row["output"] is None:
        return ()
    if row["status"] == "corrected":
        return ("photo", "first", "delivered")
    if row["status"] == "quarantined":
        return ("photo", "first", *(("suggested",) if row["suggestion"] else ()))
    return ("photo", "delivered")


def choose_sides(rows: Sequence[Row]) -> dict[str, int]:
    """The long side in px of what is embedded, by source: the worst, and an even sample of the rest.

    `rows` are sorted worst first.
    """
    pictured = [row for row in rows if row["output"] is not None]
    flagged = [row["source"] for row in pictured if row["status"] != "ok"][:MAX_FLAGGED]
    good = [row["source"] for row in pictured if row["status"] == "ok"]
    count = min(len(good), MAX_GOOD)
    side = _LARGE_SIDE_PX if len(flagged) <= _FEW_ROWS else _SMALL_SIDE_PX
    sample = sorted(good)
    picked = (sample[index * len(sample) // count] for index in range(count))
    return dict.fromkeys(flagged, side) | dict.fromkeys(picked, _GOOD_SIDE_PX)


def choose_heated(rows: Sequence[Row]) -> frozenset[str]:
    """The sources whose flagged output is shown with a heat map; `rows` are sorted worst first."""
    flagged = [row["source"] for row in rows if row["output"] is not None and _heated_role(row)]
    return frozenset(flagged[:MAX_HEATED])


def heat(run: Run, row: Row, usual: LocalScale | None) -> Heating | None:
    """The role of the flagged output, its heat as an overlay, where it lies, and what is odd there."""
    role = _heated_role(row)
    found = heat_of(run, row, usual) if role else None
    if found is None or role is None:
        return None
    rows, cols = found.heat.shape
    scale = _HEAT_SIDE_PX / max(rows, cols)
    size = (max(1, round(cols * scale)), max(1, round(rows * scale)))
    said = ": ".join([found.place, *([", ".join(found.words)] if found.words else [])])
    return {"role": role, "map": overlay_uri(found.heat, size), "words": said}


def _heated_role(row: Row) -> str | None:
    """Which picture is the output that was flagged; None where none was."""
    if not row["was_flagged"] or is_clip_output(row["output"] or ""):
        return None
    return "delivered" if row["status"] in ("flagged", "ok") else "first"


def pictures(run: Run, row: Row, side: int | None) -> list[Picture]:
    """Role, `file` and `thumb` of each picture; without `side` nothing is embedded.

    `file` is an address relative to the page, of a clip it is called `video`. It is left out where
    there is no such file, and where photos and run do not lie on one local disk.
    """
    found = []
    is_clip = row["output"] is not None and is_clip_output(row["output"])
    for role in roles(row):
        picture = {"role": role}
        address = _address(run, row, role)
        if address:
            picture["video" if is_clip else "file"] = address
        small = _MAKERS[role](run, row, side) if side else None
        if small:
            picture["thumb"] = thumbnails.data_uri(small)
        found.append(picture)
    return found


def _address(run: Run, row: Row, role: str) -> str | None:
    root = run.folder.root
    if role == "photo":
        return _photo_address(run, row["source"])
    if role == "suggested":
        return _relative(root / row["suggestion"], root)
    path = root / row["output"]
    if role == "first":
        superseded = run.folder.superseded("/".join(PurePosixPath(row["output"]).parts[1:]))
        path = superseded if superseded.exists() else path
    return _relative(path, root)


def _photo_address(run: Run, source: str) -> str | None:
    try:
        path = storage.resolve_inside(run.photos, source)
    except PathLeavesRootError:
        return None
    return _relative(path, run.folder.root)


def _relative(path: UPath, root: UPath) -> str | None:
    """The quoted address of a file from the page in `root`."""
    if not storage.is_local(path) or not storage.is_local(root):
        return None
    if not path.exists():
        return None
    return quote(os.path.relpath(str(path), str(root)).replace(os.sep, "/"))
