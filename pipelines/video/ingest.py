"""What the catalog says of a clip."""

from typing import Any

from upath import UPath

from pipelines.errors import UndecodableImageError
from pipelines.video.digest import digest_of
from pipelines.video.signature import ANIMATED_GIF, HEAD_BYTES, VIDEO, clip_format


def clip_facts(path: UPath, max_pixels: int) -> dict[str, Any] | None:
    """Fields of a catalog row for a file with the name of a clip; None where it is a still GIF.

    The file is read piece by piece, and its first frame decoded.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = clip_format(head)
    if found is None:
        return _rejected(path, "It is not the clip that its name says.")
    # Half a second, and not needed where there are photos only.
    from pipelines.video.scan import count_frames, look_at_clip

    try:
        if found == ANIMATED_GIF and count_frames(path, found, at_most=2) < 2:
            return None
        width, height, seconds = look_at_clip(path, found, max_pixels)
    except UndecodableImageError as error:
        return _rejected(path, str(error))
    return {
        "sha256": digest_of(path),
        "width": width,
        "height": height,
        "mode": VIDEO,
        "format": found,
        "status": "ok",
        "note": f"a clip of {seconds:.1f} s",
    }


def _rejected(path: UPath, error: str) -> dict[str, Any]:
    return {"sha256": digest_of(path), "status": "rejected", "error": error}
