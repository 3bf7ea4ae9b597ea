"""What a clip is cut into: shots, because looks change there, and segments, because work has to be shared."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from upath import UPath

from pipelines.storage import commit_bytes, read_bytes

SEGMENT_FRAMES = 100  # some seconds of work: what a killed worker has to do again


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """A clip in numbers of frames, counted from 0 in the order they are shown.

    `pts`: when each is shown, in units of `time_base` seconds, strictly rising. `raw_pts`: what the
    file says, by which a frame is found. `final_duration`: of the last frame. `keys`: frames that
    decoding can begin at. `shots` and `segments`: where each begins. `marks`: colour tags and the
    like that the output takes over.
    """

    width: int  # of the output, upright
    height: int
    time_base: tuple[int, int]
    rate: tuple[int, int]  # frames a second, on average
    aspect: tuple[int, int]  # of a pixel, upright
    marks: dict[str, int]
    pts: tuple[int, ...]
    raw_pts: tuple[int, ...]
    final_duration: int
    keys: tuple[int, ...]
    shots: tuple[int, ...]
    segments: tuple[int, ...]

    @property
    def num_frames(self) -> int:
        """How many there are."""
        return len(self.pts)

    @property
    def frames_per_s(self) -> float:
        """On average."""
        return self.rate[0] / self.rate[1]

    def seconds(self, frame: int) -> float:
        """When that frame is shown, counted from the first; the end of the clip for one too many."""
        unit = Fraction(*self.time_base)
        last = self.pts[-1] + self.duration(self.num_frames - 1)
        at = self.pts[frame] if frame < self.num_frames else last
        return float((at - self.pts[0]) * unit)

    def duration(self, frame: int) -> int:
        """How long that frame is shown, in units of `time_base`."""
        if frame + 1 < self.num_frames:
            return self.pts[frame + 1] - self.pts[frame]
        return self.final_duration

    def shot(self, number: int) -> range:
        """The frames of a shot."""
        return _range(self.shots, number, self.num_frames)

    def segment(self, number: int) -> range:
        """The frames of a segment."""
        return _range(self.segments, number, self.num_frames)

    def pieces(self, number: int) -> list[tuple[range, range]]:
        """The shots that a segment shows, each with the frames of it that the segment has."""
        frames = self.segment(number)
        first = bisect_right(self.shots, frames.start) - 1
        last = bisect_right(self.shots, frames.stop - 1) - 1
        shots = [self.shot(n) for n in range(first, last + 1)]
        return [
            (shot, range(max(shot.start, frames.start), min(shot.stop, frames.stop)))
            for shot in shots
        ]

    def segments_of(self, shot: int) -> range:
        """Numbers of the segments that show a frame of a shot."""
        frames = self.shot(shot)
        first = bisect_right(self.segments, frames.start) - 1
        return range(first, bisect_right(self.segments, frames.stop - 1))


def plan_segments(
    shots: Sequence[int], num_frames: int, keys: Sequence[int], target: int = SEGMENT_FRAMES
) -> tuple[int, ...]:
    """Where segments begin: at shots where they can, in long shots at key frames, else anywhere.

    No segment is longer than one and a half times `target`.
    """
    begins, at = [0], 0
    while num_frames - at > target * 3 // 2:
        window = range(at + target // 2, at + target * 3 // 2 + 1)
        at = (
            _nearest(shots, window, at + target)
            or _nearest(keys, window, at + target)
            or at + target
        )
        begins.append(at)
    return tuple(begins)


def write_plan(path: UPath, plan: ClipPlan) -> None:
    """Commit a plan as JSON."""
    commit_bytes(path, json.dumps(asdict(plan)).encode())


def read_plan(path: UPath) -> ClipPlan:
    """A plan that `write_plan` wrote."""
    facts: dict[str, Any] = json.loads(read_bytes(path))
    tuples: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }
    return ClipPlan(**tuples)


def _nearest(places: Sequence[int], window: range, wanted: int) -> int | None:
    inside = [place for place in places if place in window]
    return min(inside, key=lambda place: abs(place - wanted), default=None)


def _range(begins: Sequence[int], number: int, end: int) -> range:
    return range(begins[number], begins[number + 1] if number + 1 < len(begins) else end)
