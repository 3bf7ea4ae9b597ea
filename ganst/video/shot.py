"""Stylize a shot, or a piece of one, so that its frames belong together."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganst.inference import Stylizer
from ganst.pixels import painted
from ganst.video.blend import Blending, TemporalBlend
from ganst.video.shared_norms import SharedNorms
from ganst.video.steady import SharingSchedule, Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Frames `start` to `stop` (excluded) of a shot of `length` frames."""

    start: int
    stop: int
    length: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= self.length:
            raise ValueError(f"a piece must lie inside of its shot: got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """What keeps frames alike; None: every frame for itself."""

    sharing: SharingSchedule | None = field(default_factory=SharingSchedule)
    blending: Blending | None = field(default_factory=Blending)


class ShotStylizer:
    """Gives the frames of a piece as stylizing the whole shot would: the same bits."""

    def __init__(self, stylizer: Stylizer, steadiness: Steadiness) -> None:
        self._stylizer = stylizer
        self._sharing = steadiness.sharing
        self._blending = steadiness.blending
        self._radius = steadiness.blending.radius if steadiness.blending else 0
        self._norms = SharedNorms(stylizer.generator) if steadiness.sharing else None

    def needed(self, piece: Piece) -> tuple[int, int]:
        """First and last position (excluded) of the frames that `stylize` has to be given."""
        start, stop = self._with_neighbours(piece)
        if self._sharing is None:
            return start, stop
        anchors = self._sharing.needed(start, stop, piece.length)
        every = self._sharing.every
        return min(start, anchors[0] * every), max(stop, anchors[-1] * every + 1)

    @torch.inference_mode()
    def stylize(self, frames: Iterable[Tensor], piece: Piece) -> Iterator[Tensor]:
        """Frames uint8 `[3, H, W]` of all positions that are `needed`, in order -> those of the piece.

        Raises:
            ValueError: Fewer frames than are needed.

        """
        first, last = self._with_neighbours(piece)
        made = self._stylized(iter(frames), piece, first, last)
        if self._blending is None:
            yield from (output for _, _, output in made)
            return
        blend, position = TemporalBlend(self._blending), piece.start
        for index, source, output in made:
            blend.add(index, source, output)
            while position < piece.stop and (index >= position + self._radius or index == last - 1):
                yield blend.at(position)
                position += 1

    def _with_neighbours(self, piece: Piece) -> tuple[int, int]:
        return max(0, piece.start - self._radius), min(piece.length, piece.stop + self._radius)

    def _stylized(
        self, frames: Iterator[Tensor], piece: Piece, first: int, last: int
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Position, source and output of `first` to `last`, as soon as their statistics are known."""
        if self._sharing is None or self._norms is None:
            for position, source in zip(range(first, last), frames, strict=False):
                yield position, source, self._stylizer.stylize([source])[0]
            return
        begin, end = self.needed(piece)
        measured: dict[int, Statistics] = {}
        waiting: deque[tuple[int, Tensor]] = deque()
        for position in range(begin, end):
            source = next(frames, None)
            if source is None:
                raise ValueError(f"frames end at position {position} of a shot, {end} are needed")
            if position % self._sharing.every == 0:
                measured[position // self._sharing.every] = self._measure(source)
            if first <= position < last:
                waiting.append((position, source))
            while waiting and self._is_known(measured, waiting[0][0], piece.length):
                ready, image = waiting.popleft()
                statistics = self._sharing.at(measured, ready, piece.length)
                yield ready, image, self._run(image, statistics)

    def _is_known(self, measured: dict[int, Statistics], position: int, length: int) -> bool:
        assert self._sharing
        return self._sharing.anchors_of(position, length)[1] in measured

    def _measure(self, image: Tensor) -> Statistics:
        """How far the exposure is below 1, and what the norms find."""
        assert self._norms
        shown = self._stylizer.show(image)
        # Not the exposure: a mean of ones may come out a bit below.
        darkness = torch.tensor(1 - shown.exposure, dtype=torch.float64)
        return (darkness, *self._norms.measure(self._stylizer.to_input(shown.padded)))

    def _run(self, image: Tensor, statistics: Statistics) -> Tensor:
        assert self._norms
        darkness, *norms = statistics
        shown = self._stylizer.show(image, 1 - float(darkness))
        x = self._stylizer.to_input(shown.padded)
        return self._stylizer.finish(shown, painted(self._norms.apply(x, tuple(norms)))[0].cpu())
