"""Random access to the frames of a planned clip, cheapest where they are asked for in order."""

from bisect import bisect_right
from typing import TYPE_CHECKING

from pipelines.errors import StaleSourceError
from pipelines.video.plan import ClipPlan
from pipelines.video.reading import Picture, decode_pictures, to_pixels, video_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from torch import Tensor


class FrameReader:
    """Reads frames by their number."""

    def __init__(self, container: "InputContainer", plan: ClipPlan) -> None:
        self._container = container
        self._stream = video_stream(container)
        self._plan = plan
        self._next = 0
        self._pictures: Iterator[Picture] | None = None

    def frames(self, start: int, stop: int) -> "Iterator[Tensor]":
        """Frames `start` to `stop` (excluded), uint8 `[3, H, W]` in the size of the plan.

        Raises:
            UndecodableImageError: The stream is damaged.
            StaleSourceError: It is not the clip that was planned.

        """
        for number in range(start, stop):
            picture = self._read(number)
            yield to_pixels(picture.frame, (self._plan.width, self._plan.height))

    def _read(self, number: int) -> Picture:
        key = self._key_before(number)
        if self._pictures is None or number < self._next or key > self._next:
            from_pts = self._plan.raw_pts[key]
            self._pictures = decode_pictures(
                self._container, self._stream, from_pts if key or self._pictures else None
            )
            self._next = key
        for picture in self._pictures:
            self._next += 1
            if self._next > number:
                return self._checked(picture, number)
        raise StaleSourceError(f"The clip ends before frame {number}: ingest it again.")

    def _checked(self, picture: Picture, number: int) -> Picture:
        if picture.pts != self._plan.raw_pts[number]:
            raise StaleSourceError(f"Frame {number} is not where it was: ingest it again.")
        return picture

    def _key_before(self, number: int) -> int:
        place = bisect_right(self._plan.keys, number) - 1
        return self._plan.keys[place] if place >= 0 else 0
