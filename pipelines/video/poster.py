"""One frame of a clip, to stand for it on pages and sheets."""

from PIL import Image
from upath import UPath

from pipelines.errors import UndecodableImageError
from pipelines.video.signature import HEAD_BYTES, clip_format

_SHARE = 0.4  # of the clip: titles are over, and the end has not come
_TICKS = 1_000_000  # of a container's clock, a second


def poster(path: UPath, side: int) -> Image.Image | None:
    """RGB, upright, the long side at most `side` px; None where the clip is gone or unreadable."""
    # Half a second, and not needed where there are photos only.
    from pipelines.video.reading import (
        decode_pictures,
        open_clip,
        to_pixels,
        upright_size,
        video_stream,
    )

    try:
        with path.open("rb") as file:
            found = clip_format(file.read(HEAD_BYTES))
        if found is None:
            return None
        with open_clip(path, found) as container:
            stream = video_stream(container)
            wanted = _SHARE * (container.duration or 0) / _TICKS
            container.seek(int(wanted * _TICKS))
            for picture in decode_pictures(container, stream):
                if picture.frame.time is None or picture.frame.time >= wanted - 0.02:
                    pixels = to_pixels(picture.frame, upright_size(picture.frame))
                    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
                    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
                    return image
    except (OSError, UndecodableImageError):
        return None
    return None
