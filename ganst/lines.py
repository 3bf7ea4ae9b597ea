"""Feature maps that are computed a few lines at a time, from the lines of the map before them.

Every class here stands for one map `[1, C, H, W]` that never exists as a whole. *Lines* run across
the axis that the map is cut along: rows for axis 2, columns for axis 3. `read(start, stop)` gives
those lines, the same values whatever the slice: whoever reads them mirrors at the ends. Slices are
channels-last: so the lines of rows lie one behind the other, in a store as in memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.pixels import reflect_range, stride_margins, to_model

_POWER_OF_TWO = 2.0**-10


class Lines(Protocol):
    """One map, cut along `axis` into `num` lines."""

    @property
    def axis(self) -> int:
        """2: lines are rows; 3: lines are columns."""
        ...

    @property
    def num(self) -> int:
        """Lines of the whole map."""
        ...

    def read(self, start: int, stop: int) -> Tensor:
        """Lines `start` to `stop`, with 0 <= start < stop <= num: `[1, C, H, W]`, one of H, W cut."""
        ...


class Store(Protocol):
    """Room for a map: `[lines, across, C]`, written and read by lines."""

    def write(self, start: int, lines: Tensor) -> None:
        """Put `[n, across, C]` at line `start`."""
        ...

    def read(self, start: int, stop: int) -> Tensor:
        """`[stop - start, across, C]`."""
        ...


@dataclass(frozen=True, slots=True)
class SourceLines:
    """An image, mirrored up to the stride as `pad_to_stride` does it, in the range of the model."""

    image: Tensor  # uint8 [3, H, W]
    axis: int
    stride: int
    smallest: int
    shuffle: int  # blocks of so many pixels a side become channels
    dtype: torch.dtype
    device: torch.device

    @property
    def num(self) -> int:
        """Lines behind the shuffle."""
        return self.padded(self.axis) // self.shuffle

    def margins(self, axis: int) -> tuple[int, int]:
        """Pixels mirrored before and behind the image along `axis`."""
        return stride_margins(self.image.shape[axis - 1], self.stride, self.smallest)

    def padded(self, axis: int) -> int:
        """Side of the mirrored image along `axis`, in pixels."""
        return self.image.shape[axis - 1] + sum(self.margins(axis))

    def pixels(self, start: int, stop: int) -> Tensor:
        """Lines of *pixels*: floats `[1, 3, H, W]` in [-1, 1]."""
        across = 5 - self.axis
        pixels = self._mirrored(self.image, self.axis, start, stop)
        pixels = self._mirrored(pixels, across, 0, self.padded(across))
        return to_model(pixels[None].to(self.device), self.dtype)

    def read(self, start: int, stop: int) -> Tensor:
        """The stem's input."""
        x = _channels_last(self.pixels(start * self.shuffle, stop * self.shuffle))
        return F.pixel_unshuffle(x, self.shuffle)

    def _mirrored(self, pixels: Tensor, axis: int, start: int, stop: int) -> Tensor:
        """`start` to `stop` along `axis`, counted in the mirrored image."""
        before, _ = self.margins(axis)
        size = self.image.shape[axis - 1]
        start, stop = start - before, stop - before
        if start >= 0 and stop <= size:
            return pixels.narrow(axis - 1, start, stop - start)
        return pixels.index_select(axis - 1, reflect_range(size, start, stop))


@dataclass(frozen=True, slots=True)
class StoredLines:
    """A map that was written line by line."""

    store: Store
    axis: int
    num: int
    device: torch.device

    def write(self, start: int, x: Tensor) -> None:
        """Put lines, `[1, C, H, W]`, at `start`."""
        self.store.write(start, by_lines(x, self.axis).cpu())

    def read(self, start: int, stop: int) -> Tensor:
        """What was written."""
        lines = self.store.read(start, stop).to(self.device)[None]
        return lines.permute(*((0, 3, 1, 2) if self.axis == 2 else (0, 3, 2, 1)))


@dataclass(frozen=True, slots=True)
class _MadeOf:
    """A map that is made of another one, line by line."""

    before: Lines

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """As many."""
        return self.before.num


@dataclass(frozen=True, slots=True)
class ConvLines(_MadeOf):
    """A convolution with stride 1 or 2 that sees a mirrored border, or zeros."""

    weight: Tensor  # [C_out, C_in / groups, kernel, kernel]
    bias: Tensor | None
    stride: int = 1
    groups: int = 1
    border: Literal["reflect", "zero"] = "reflect"

    @property
    def num(self) -> int:
        """As many as the stride leaves."""
        return self.before.num // self.stride

    def read(self, start: int, stop: int) -> Tensor:
        """The lines before, with those that the kernel sees on either side."""
        kernel = self.weight.shape[-1]
        pad = (kernel - 1) // 2
        first, last = self.stride * start - pad, self.stride * (stop - 1) - pad + kernel
        x = _beyond(self.before, first, last, self.border)
        x = _channels_last(_pad_across(x, pad, self.axis, self.border))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


@dataclass(frozen=True, slots=True)
class DoubledLines(_MadeOf):
    """Twice the lines by a function whose every line hangs on the two nearest ones before it."""

    enlarge: Callable[[Tensor], Tensor]  # [1, C, H, W] -> [1, C', 2H, 2W]

    @property
    def num(self) -> int:
        """Twice as many."""
        return 2 * self.before.num

    def read(self, start: int, stop: int) -> Tensor:
        """Of one more line on either side, and cut."""
        first, last = max(start // 2 - 1, 0), min((stop + 1) // 2 + 1, self.before.num)
        y = self.enlarge(_channels_last(self.before.read(first, last)))
        return y.narrow(self.axis, start - 2 * first, stop - start)


@dataclass(frozen=True, slots=True)
class NormLines(_MadeOf):
    """Each channel times `scale` plus `shift`, which give it the mean and variance of a norm."""

    scale: Tensor  # float32 [C]
    shift: Tensor

    def read(self, start: int, stop: int) -> Tensor:
        """In float32, rounded once: what group norm does."""
        return scaled(_channels_last(self.before.read(start, stop)), self.scale, self.shift)


@dataclass(frozen=True, slots=True)
class ActivationLines(_MadeOf):
    """A function of every value."""

    function: Callable[[Tensor], Tensor]

    def read(self, start: int, stop: int) -> Tensor:
        """Its values."""
        return self.function(self.before.read(start, stop))


@dataclass(frozen=True, slots=True)
class SumLines(_MadeOf):
    """Two maps of one shape added."""

    other: Lines

    def read(self, start: int, stop: int) -> Tensor:
        """The sum."""
        return self.before.read(start, stop) + self.other.read(start, stop)


def by_lines(x: Tensor, axis: int) -> Tensor:
    """`[1, C, H, W]` as `[lines, across, C]`; no copy where lines are rows."""
    return x[0].permute(*((1, 2, 0) if axis == 2 else (2, 1, 0)))


def scaled(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Channels-last `[N, C, H, W]` times `scale` plus `shift`, both float32 `[C]`, in one pass."""
    # A norm whose mean is 0 and whose variance is 1: a power of two less than 1 and the same power
    # as epsilon, which torch 2.11 wants above 0, add up exactly. Channels are its vectors, so that
    # no value hangs on where in a slice it stands.
    mean, variance = torch.zeros_like(scale), torch.full_like(scale, 1 - _POWER_OF_TWO)
    return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=_POWER_OF_TWO)


def _beyond(lines: Lines, start: int, stop: int, border: str) -> Tensor:
    """Lines `start` to `stop`, mirrored or zero where these lie outside of the map."""
    if start >= 0 and stop <= lines.num:
        return lines.read(start, stop)
    if border == "zero":
        x = lines.read(max(start, 0), min(stop, lines.num))
        outside = (max(-start, 0), max(stop - lines.num, 0))
        return F.pad(x, (0, 0, *outside) if lines.axis == 2 else outside)
    wanted = reflect_range(lines.num, start, stop)
    first = int(wanted.min())
    x = lines.read(first, int(wanted.max()) + 1)
    return x.index_select(lines.axis, (wanted - first).to(x.device))


def _pad_across(x: Tensor, pad: int, axis: int, border: str) -> Tensor:
    sides = (pad, pad, 0, 0) if axis == 2 else (0, 0, pad, pad)
    return F.pad(x, sides, mode="constant" if border == "zero" else "reflect")


def _channels_last(x: Tensor) -> Tensor:
    """The layout decides the order of a convolution's sums: the same one for every slice."""
    return x.contiguous(memory_format=torch.channels_last)
