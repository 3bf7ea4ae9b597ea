"""Feature maps that are computed a few lines at a time, from the lines of the map before them.

Every class here stands for one map `[1, C, H, W]` that never exists as a whole. *Lines* run across
the axis that the map is cut along: rows for axis 2, columns for axis 3. `read(start, stop)` gives
those lines, the same values whatever the slice: whoever reads them mirrors at the ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.pixels import reflect_range, stride_margins, to_model


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
        pixels = self.image
        for axis, first, last in ((self.axis, start, stop), (across, 0, self.padded(across))):
            before, _ = self.margins(axis)
            size = self.image.shape[axis - 1]
            pixels = pixels.index_select(
                axis - 1, reflect_range(size, first - before, last - before)
            )
        return to_model(pixels[None].to(self.device), self.dtype)

    def read(self, start: int, stop: int) -> Tensor:
        """The stem's input."""
        x = self.pixels(start * self.shuffle, stop * self.shuffle)
        return F.pixel_unshuffle(x, self.shuffle)


@dataclass(frozen=True, slots=True)
class StoredLines:
    """A map that was written line by line."""

    store: Store
    axis: int
    num: int
    device: torch.device

    def write(self, start: int, x: Tensor) -> None:
        """Put lines, `[1, C, H, W]`, at `start`."""
        self.store.write(start, x[0].permute(*self._order).cpu())

    def read(self, start: int, stop: int) -> Tensor:
        """What was written."""
        lines = self.store.read(start, stop).to(self.device)
        order = [self._order.index(axis) for axis in range(3)]
        return lines.permute(*order)[None]

    @property
    def _order(self) -> tuple[int, int, int]:
        return (1, 2, 0) if self.axis == 2 else (2, 1, 0)


@dataclass(frozen=True, slots=True)
class ConvLines:
    """A convolution with stride 1 or 2 that sees a mirrored border, or zeros."""

    before: Lines
    conv: nn.Conv2d
    border: Literal["reflect", "zero"] = "reflect"

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """As many as before, or half."""
        return self.before.num // self.conv.stride[0]

    def read(self, start: int, stop: int) -> Tensor:
        """Before norm and activation."""
        (kernel, _), (stride, _) = self.conv.kernel_size, self.conv.stride
        pad = (kernel - 1) // 2
        first, last = stride * start - pad, stride * (stop - 1) - pad + kernel
        x = _beyond(self.before, first, last, self.border)
        x = _channels_last(_pad_across(x, pad, self.axis, self.border))
        return F.conv2d(x, self.conv.weight, self.conv.bias, self.conv.stride)


@dataclass(frozen=True, slots=True)
class TransposedLines:
    """A transposed convolution that doubles the sides: kernel 3, stride 2, padding 1 and 1."""

    before: Lines
    conv: nn.ConvTranspose2d

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """Twice as many."""
        return 2 * self.before.num

    def read(self, start: int, stop: int) -> Tensor:
        """An even line hangs on one line of the map before, an odd one on two."""
        first, last = start // 2, min(stop // 2 + 1, self.before.num)
        y = self.conv(_channels_last(self.before.read(first, last)))
        return y.narrow(self.axis, start - 2 * first, stop - start)


@dataclass(frozen=True, slots=True)
class NormLines:
    """Each channel times `scale` plus `shift`, which give it the mean and variance of a norm."""

    before: Lines
    scale: Tensor  # float32 [1, C, 1, 1]
    shift: Tensor

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """As before."""
        return self.before.num

    def read(self, start: int, stop: int) -> Tensor:
        """In float32, rounded once: what group norm does."""
        x = self.before.read(start, stop)
        # Not addcmul: it fuses where it runs on vectors, and not in the rest of a slice.
        return (x.float() * self.scale).add_(self.shift).to(x.dtype)


@dataclass(frozen=True, slots=True)
class ActivationLines:
    """A function of every value."""

    before: Lines
    function: Callable[[Tensor], Tensor]

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """As before."""
        return self.before.num

    def read(self, start: int, stop: int) -> Tensor:
        """Its values."""
        return self.function(self.before.read(start, stop))


@dataclass(frozen=True, slots=True)
class BlurLines:
    """Half the resolution behind the [1, 2, 1] filter of `BlurDown`."""

    before: Lines
    kernel: Tensor

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """Half as many."""
        return self.before.num // 2

    def read(self, start: int, stop: int) -> Tensor:
        """Every second line."""
        x = _beyond(self.before, 2 * start - 1, 2 * stop, "reflect")
        x = _channels_last(_pad_across(x, 1, self.axis, "reflect"))
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, groups=x.shape[1])


@dataclass(frozen=True, slots=True)
class UpLines:
    """Twice the resolution."""

    before: Lines
    mode: Literal["bilinear", "nearest"]

    @property
    def axis(self) -> int:
        """As before."""
        return self.before.axis

    @property
    def num(self) -> int:
        """Twice as many."""
        return 2 * self.before.num

    def read(self, start: int, stop: int) -> Tensor:
        """A line hangs on the two nearest ones: read one more on either side, and cut."""
        first, last = max(start // 2 - 1, 0), min((stop + 1) // 2 + 1, self.before.num)
        x = _channels_last(self.before.read(first, last))
        y = F.interpolate(x, scale_factor=2, mode=self.mode)
        return y.narrow(self.axis, start - 2 * first, stop - start)


@dataclass(frozen=True, slots=True)
class SumLines:
    """Two maps of one shape added."""

    one: Lines
    other: Lines

    @property
    def axis(self) -> int:
        """As before."""
        return self.one.axis

    @property
    def num(self) -> int:
        """As before."""
        return self.one.num

    def read(self, start: int, stop: int) -> Tensor:
        """The sum."""
        return self.one.read(start, stop) + self.other.read(start, stop)


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
