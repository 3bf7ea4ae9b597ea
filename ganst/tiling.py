"""A generator over an image whose feature maps do not fit in memory: strip by strip, yet exact.

Instance norm needs every pixel of a map before the next layer can begin, and norms taken per tile
give every tile colours of its own (research on URST and KIN, arXiv:2103.11784, approximates; this
does not). So the network is walked norm by norm: one pass over strips sums up a map in float64, the
next one computes the map again, or reads it where it was stored, and goes on. Only the smallest
maps, those of the residual blocks, are stored: to compute the few layers in front of and behind
them again costs a third of the network, no more than to write and read maps of four times the size.
Strips read as many lines of the map before as their kernels see, so that no line hangs on how the
image was cut.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.lines import (
    ActivationLines,
    ConvLines,
    DoubledLines,
    Lines,
    NormLines,
    SourceLines,
    Store,
    StoredLines,
    SumLines,
    by_lines,
)
from ganst.models.generator import BlurDown, GeneratorConfig, ResidualBlock, ResnetGenerator
from ganst.pixels import painted

Shape = tuple[int, int, int]
OpenStore = Callable[[Shape, torch.dtype], AbstractContextManager[Store]]

_EPS = 1e-5  # of group norm
_SUMMED_VALUES = 2**17  # 1 MB in float64
_LOWPASS_FACTOR = 8
# Activations of a strip: larger ones leave the caches of a core, smaller ones are read twice too often.
_STRIP_BYTES = 32 * 10**6
# Torch convolves inputs up to this size with another algorithm, which sums in another order.
_SMALL_INPUT = 1.2 * 20_480


class MemoryStore:
    """A map kept as a tensor."""

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        self._lines = torch.empty(shape, dtype=dtype)

    def write(self, start: int, lines: Tensor) -> None:
        """Put `[n, across, C]` at line `start`."""
        self._lines[start : start + len(lines)] = lines

    def read(self, start: int, stop: int) -> Tensor:
        """`[stop - start, across, C]`."""
        return self._lines[start:stop]


def keep_in_memory(shape: Shape, dtype: torch.dtype) -> AbstractContextManager[Store]:
    """The `OpenStore` of a machine with memory to spare."""
    return nullcontext(MemoryStore(shape, dtype))


def bytes_per_pixel(config: GeneratorConfig, dtype: torch.dtype) -> float:
    """Memory that the untiled network takes for its activations, per pixel of the image.

    The widest moment is the convolution in front of the first blur: its input, its output of twice
    the channels, and the copies that norm and ReLU make of that. Less with strided convolutions.
    """
    return 7 * config.width / config.shuffle**2 * dtype.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How an image is cut, and where its maps are kept."""

    max_bytes: (
        int  # of activations at a time: half in strips, if need be; a few lines are always taken
    )
    open_store: OpenStore = keep_in_memory

    def num_strips(self, source: SourceLines, config: GeneratorConfig) -> int:
        """Strips of about equal size, for every map alike."""
        across = source.padded(5 - source.axis)
        line_bytes = bytes_per_pixel(config, source.dtype) * across
        lines = int(min(self.max_bytes / 2, _STRIP_BYTES) / line_bytes)
        fewest = max(4 * config.stride, math.ceil(_SMALL_INPUT * _thinness(config) / across))
        return max(source.padded(source.axis) // max(lines, fewest), 1)


@torch.inference_mode()
def stylize_in_strips(
    generator: ResnetGenerator, source: SourceLines, tiling: Tiling
) -> Iterator[tuple[int, Tensor]]:
    """The stylized image of `source`, strip by strip.

    Yields:
        First line, and uint8 `[3, H, W]` with one of H, W cut: mirrored margins are cut off.

    """
    config = generator.config
    walk = _Walk(tiling.num_strips(source, config))
    with ExitStack() as stores:
        x = walk.encode(generator, source)
        maps = [_open_map(x, config, source, tiling, stores) for _ in range(3)]
        walk.store(maps[0], x)
        for block in generator.blocks:
            walk.apply_block(block, maps)
        head = walk.decode(generator, maps[0])
        small = _shrink(source) if config.skip == "lowpass" else None
        for start, y in walk.strips(head):
            first = start * config.shuffle
            yield _finish(F.pixel_shuffle(y, config.shuffle), first, source, small)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Through a network, with a pass over strips wherever a norm has to know a whole map."""

    num_strips: int

    def strips(self, x: Lines) -> Iterator[tuple[int, Tensor]]:
        cuts = [x.num * i // self.num_strips for i in range(self.num_strips + 1)]
        for start, stop in pairwise(cuts):
            yield start, x.read(start, stop)

    def store(self, target: StoredLines, x: Lines) -> None:
        for start, y in self.strips(x):
            target.write(start, y)

    def encode(self, generator: ResnetGenerator, source: SourceLines) -> Lines:
        x = self._layer(generator.stem, source)
        for down in generator.downs:
            for layer in down:  # pyrefly: ignore[not-iterable]
                is_blur = isinstance(layer, BlurDown)
                x = _blurred(layer, x) if is_blur else self._layer(layer, x)
        return x

    def apply_block(self, block: nn.Module, maps: list[StoredLines]) -> None:
        """The first map becomes that of the block's output; the others are room to work in."""
        x, first, second = maps
        if isinstance(block, ResidualBlock):
            hidden = self._layer(block.first, x, keep=first)
            self.store(x, SumLines(x, self._normed(block.second, block.norm, hidden, second)))
        else:
            self.store(x, self._layer(block, x, keep=first))

    def decode(self, generator: ResnetGenerator, x: Lines) -> Lines:
        for up in generator.ups:
            x = self._layer(up, _enlarged(generator.config.up, x))
        return _convolved(generator.head, x)

    def _layer(self, layer: nn.Module, x: Lines, keep: StoredLines | None = None) -> Lines:
        """Convolution, norm and activation."""
        norm = layer.norm
        assert isinstance(norm, nn.Module)
        y = self._normed(layer, norm, x, keep)
        return ActivationLines(y, getattr(layer, "activation", F.relu))

    def _normed(
        self, layer: nn.Module, norm: nn.Module, x: Lines, keep: StoredLines | None
    ) -> Lines:
        """Convolution and norm, which takes a pass over the map; that pass can `keep` it as well."""
        y = _convolved(layer, x)
        sums = _Sums(y.num)
        for start, strip in self.strips(y):
            if keep:
                keep.write(start, strip)
            sums.add(start, strip, y.axis)
        y = keep or y
        return y if isinstance(norm, nn.Identity) else NormLines(y, *sums.scale_and_shift(norm))


class _Sums:
    """Sums over a map, line by line in float64: added up in one order, however it was cut."""

    def __init__(self, num_lines: int) -> None:
        self._num_lines = num_lines
        self._num_across = 0
        # One tensor: small ones that stay would lie in the gaps that strips are to come back to.
        self._lines = torch.empty(0)

    def add(self, start: int, x: Tensor, axis: int) -> None:
        """Lines from `start` on, `[1, C, H, W]`."""
        lines = by_lines(x, axis)
        if not self._num_across:
            self._num_across, channels = lines.shape[1:]
            shape = (2, self._num_lines, channels)
            self._lines = torch.empty(shape, dtype=torch.float64, device=x.device)
        # A few lines at a time: in float64 a whole strip would not stay in the cache.
        step = max(1, _SUMMED_VALUES // lines[0].numel())
        for first, some in zip(
            range(start, start + len(lines), step), lines.split(step), strict=True
        ):
            wide, place = some.double(), slice(first, first + len(some))
            torch.sum(wide, 1, out=self._lines[0, place])
            torch.sum(wide.square_(), 1, out=self._lines[1, place])

    def scale_and_shift(self, norm: nn.Module) -> tuple[Tensor, Tensor]:
        """What instance norm does to each channel: float32 `[C]` both."""
        mean, square = self._lines.sum(1) / (self._num_lines * self._num_across)
        scale = (square - mean**2).clamp(min=0).add(_EPS).rsqrt()
        shift = -mean * scale
        weight, bias = (getattr(norm, name, None) for name in ("weight", "bias"))
        if weight is not None:
            scale, shift = scale * weight, shift * weight + bias
        return scale.float(), shift.float()


def _convolved(layer: nn.Module, x: Lines) -> Lines:
    conv = layer.conv
    if isinstance(conv, nn.ConvTranspose2d):
        return DoubledLines(x, conv)
    assert isinstance(conv, nn.Conv2d)
    has_zeros = conv.padding_mode == "zeros" and conv.padding != (0, 0)
    border = "zero" if has_zeros else "reflect"
    return ConvLines(x, conv.weight, conv.bias, conv.stride[0], border=border)


def _blurred(layer: BlurDown, x: Lines) -> Lines:
    kernel = layer.kernel
    assert isinstance(kernel, Tensor)
    return ConvLines(x, kernel, None, stride=2, groups=len(kernel))


def _enlarged(by: str, x: Lines) -> Lines:
    """What stands before the convolution of an up; a transposed one doubles by itself."""
    if by == "transposed":
        return x
    return DoubledLines(x, partial(F.interpolate, scale_factor=2, mode=by))


def _thinness(config: GeneratorConfig) -> float:
    """Pixels of the image for a value of the map with the fewest: the image itself, or the lowest one."""
    return max(1 / 3, config.shuffle**2 * 2**config.num_downs / config.width)


def _open_map(
    like: Lines, config: GeneratorConfig, source: SourceLines, tiling: Tiling, stores: ExitStack
) -> StoredLines:
    channels = config.width * 2**config.num_downs
    across = source.padded(5 - source.axis) // config.stride
    shape = (like.num, across, channels)
    store = stores.enter_context(tiling.open_store(shape, source.dtype))
    return StoredLines(store, like.axis, like.num, source.device)


def _finish(y: Tensor, start: int, source: SourceLines, small: Tensor | None) -> tuple[int, Tensor]:
    """What stands behind the head: low-pass skip, tanh, and the margins cut off."""
    axis, stop = source.axis, start + y.shape[source.axis]
    if small is not None:
        y = y + _enlarge(small, start, stop, source)
    pixels = painted(y)[0]
    before, _ = source.margins(axis)
    size = source.image.shape[axis - 1]
    first, last = (min(max(line, before), before + size) for line in (start, stop))
    pixels = pixels.narrow(axis - 1, min(first - start, stop - start), last - first)
    before_across, _ = source.margins(5 - axis)
    across = source.image.shape[4 - axis]
    return first - before, pixels.narrow(4 - axis, before_across, across).cpu()


def _shrink(source: SourceLines) -> Tensor:
    """The image at an eighth of its size, as `area` interpolation of the whole gives it."""
    size, across = source.padded(source.axis), source.padded(5 - source.axis)
    num = max(size // _LOWPASS_FACTOR, 1)
    width = max(across // _LOWPASS_FACTOR, 1)
    shape = (1, width) if source.axis == 2 else (width, 1)
    sides = (num, width) if source.axis == 2 else (width, num)
    small = torch.empty((1, 3, *sides), dtype=source.dtype, device=source.device)
    for i in range(num):
        x = source.pixels(i * size // num, math.ceil((i + 1) * size / num))
        small.narrow(source.axis, i, 1).copy_(F.interpolate(x, size=shape, mode="area"))
    return small


def _enlarge(small: Tensor, start: int, stop: int, source: SourceLines) -> Tensor:
    """Lines of the small image enlarged to the whole (bilinear), times 1.5."""
    axis, across = source.axis, source.padded(5 - source.axis)
    num = small.shape[axis]
    # In float32, as torch's interpolation has it.
    positions = (torch.arange(start, stop) + 0.5) * (torch.tensor(num) / source.padded(axis)) - 0.5
    positions = positions.clamp(0, num - 1).to(small.device)
    below = positions.long()
    weight = (positions - below).float().reshape((-1, 1) if axis == 2 else (1, -1))
    low, high = (
        small.index_select(axis, i).float() for i in (below, (below + 1).clamp(max=num - 1))
    )
    lines = low * (1 - weight) + high * weight
    shape = (stop - start, across) if axis == 2 else (across, stop - start)
    large = F.interpolate(lines, size=shape, mode="bilinear", align_corners=False)
    return 1.5 * large.to(source.dtype)
