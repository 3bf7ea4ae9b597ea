"""The ResNet generator family (Johnson 2016, arXiv:1603.08155; as in CycleGAN, arXiv:1703.10593).

Shapes: N images, C channels, H x W pixels. Images are floats in [-1, 1].
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args, get_origin, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.copies import layout_of, shuffled, unshuffled
from ganst.models.layers import (
    BlurDown,
    Border,
    Conv,
    Norm,
    ResidualBlock,
    conv2d,
    make_norm,
    mirrored_pixels,
)

LOWPASS_FACTOR = 8  # pixels a side of the cells that the skip averages over
LOWPASS_GAIN = 1.5

# No network that can be run lies beyond: a card or a checkpoint from elsewhere must not ask for all memory.
_RANGES = {
    "width": (1, 1024),
    "num_blocks": (1, 64),
    "num_downs": (0, 5),
    "shuffle": (1, 8),
    "stem_kernel": (1, 15),
    "down_kernel": (3, 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """One member of the family; a field that is not given is as in the packs of format 1.

    Raises:
        ValueError: A value that no network can be built with.

    """

    width: int  # channels behind the stem; every `down` doubles them
    num_blocks: int  # blocks at the lowest resolution
    num_downs: int = 2  # halvings of the resolution behind the stem
    shuffle: int = 1  # the stem sees blocks of `shuffle` x `shuffle` pixels as channels (1 = plain)
    stem_kernel: int = 7
    skip: Literal["none", "lowpass"] = "none"  # `lowpass`: the head adds to the blurred input
    down: Literal["blur", "stride"] = "blur"  # blurred behind the convolution, or by its stride
    down_kernel: int = 3  # 4 only with `stride`
    down_slope: float = 0.0  # of negative values behind the downs; 0 = ReLU
    block: Literal["residual", "plain"] = "residual"  # `plain`: one convolution, no skip
    # CUT's blurred upsampling is the bilinear one: both weigh the two nearest pixels 3/4 and 1/4.
    up: Literal["bilinear", "nearest", "transposed"] = "bilinear"
    border: Border = "reflect"  # what downs and ups see beyond it; stem, blocks and head mirror
    norm: Norm = "instance"  # `none` also for a batch norm that is folded into its convolution
    # `kept`: dark photos are shown to it brightened, see `ganst.exposure`. Of whole photos, so no layer.
    exposure: Literal["ignored", "kept"] = "ignored"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(GeneratorConfig).items():
            if get_origin(kind) is Literal:
                _check_choice(name, getattr(self, name), get_args(kind))
        for name, (least, most) in _RANGES.items():
            _check_range(name, getattr(self, name), least, most)
        if self.stem_kernel % 2 == 0:
            raise ValueError(f"a generator's stem_kernel must be odd, got {self.stem_kernel}")
        if not isinstance(self.down_slope, int | float) or not 0 <= self.down_slope < 1:
            raise ValueError(
                f"a generator's down_slope must be from 0 to below 1, got {self.down_slope!r}"
            )
        if self.down_kernel == 4 and self.down != "stride":
            raise ValueError("a generator's down_kernel 4 needs down 'stride', got 'blur'")

    @property
    def stride(self) -> int:
        """Image sides must be multiples of this many pixels."""
        return self.shuffle * 2**self.num_downs

    @property
    def widths(self) -> list[int]:
        """Channels behind the stem and behind each down."""
        return [self.width * 2**level for level in range(self.num_downs + 1)]


class ResnetGenerator(nn.Module):
    """Stem, downs, blocks, ups, head and tanh."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        colours, widths = 3 * config.shuffle**2, config.widths
        stem = conv2d(colours, config.width, config.stem_kernel)
        self.stem = Conv(stem, make_norm(config.norm, config.width), nn.ReLU())
        self.downs = nn.ModuleList(_down(config, *pair) for pair in pairwise(widths))
        self.blocks = nn.ModuleList(_block(config, widths[-1]) for _ in range(config.num_blocks))
        self.ups = nn.ModuleList(_up(config, *pair) for pair in pairwise(reversed(widths)))
        self.head = Conv(conv2d(config.width, colours, config.stem_kernel))
        self._room = mirrored_pixels(self.stem)
        downs = [layer for down in self.downs for layer in down.children()]
        _give_room([self.stem, *downs, *self.blocks])
        _give_room([*(self.ups or self.blocks)[-1:], self.head])

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, H, W]` in [-1, 1], sides multiples of the stride -> the same shape and range."""
        return torch.tanh(self.paint(images))

    def paint(self, images: Tensor) -> Tensor:
        """What `forward` gives, before its tanh: see `ganst.pixels.painted`."""
        *_, x = self._encode(images)
        return self._decode(x, images)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Features for PatchNCE, fine to coarse: stem, downs, the first and the last block."""
        *features, last = self._encode(images)
        num_front = 1 + len(self.downs)
        return [*features[:num_front], features[num_front], last]

    def features(self, images: Tensor) -> Tensor:
        """What the head paints from: the last result that has been normalised."""
        *_, x = self._encode(images)
        return self._enlarged(x)

    def encode_and_generate(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """`encode` and `forward` in one pass."""
        features = self.encode(images)
        return features, torch.tanh(self._decode(features[-1], images))

    @torch.no_grad()
    def align_subpixels(self) -> None:
        """Start with equal pixels inside each shuffled block (arXiv:1707.02937): no checkerboard to unlearn."""
        num_subpixels = self.config.shuffle**2
        for parameter in self.head.parameters():
            parameter.copy_(parameter[::num_subpixels].repeat_interleave(num_subpixels, dim=0))

    @torch.no_grad()
    def even_subpixels(self) -> None:
        """Let what is plain come out plain, without a checkerboard of the shuffled blocks.

        The pixels of a block then answer alike where the features are the same all around: the sums of
        their kernels become equal, and so do their biases. The mean of a block, before the tanh, is as
        it was everywhere. Nothing is done where nothing is shuffled.
        """
        weight, bias = self.head.conv.weight, self.head.conv.bias
        num_subpixels = self.config.shuffle**2
        if num_subpixels == 1:
            return
        uneven = _off_mean(weight.sum((2, 3)), num_subpixels)
        weight -= uneven[:, :, None, None] / weight[0, 0].numel()
        assert bias is not None, "a head has biases"
        bias -= _off_mean(bias, num_subpixels)

    @property
    def feature_channels(self) -> list[int]:
        """Channels of each tensor that `encode` returns."""
        widths = self.config.widths
        return [*widths, widths[-1], widths[-1]]

    def _encode(self, images: Tensor) -> Iterator[Tensor]:
        layout = layout_of(next(self.stem.parameters()))
        x = unshuffled(images, self.config.shuffle, layout, room=self._room)
        for layer in [self.stem, *self.downs, *self.blocks]:
            x = layer(x)
            yield x

    def _enlarged(self, x: Tensor) -> Tensor:
        for up in self.ups:
            x = up(self._enlarge(x))
        return x

    def _decode(self, x: Tensor, images: Tensor) -> Tensor:
        # Plane by plane from here on: so few channels are slow where they lie last.
        x = shuffled(self.head(self._enlarged(x)), self.config.shuffle)
        return x + _lowpass(images) if self.config.skip == "lowpass" else x

    def _enlarge(self, x: Tensor) -> Tensor:
        if self.config.up == "transposed":  # the convolution itself doubles the sides
            return x
        if self.config.up == "nearest":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _down(config: GeneratorConfig, narrow: int, wide: int) -> nn.Sequential:
    stride = 2 if config.down == "stride" else 1
    conv = conv2d(narrow, wide, config.down_kernel, stride=stride, border=config.border)
    activation = nn.LeakyReLU(config.down_slope) if config.down_slope else nn.ReLU()
    layer = Conv(conv, make_norm(config.norm, wide), activation)
    return nn.Sequential(layer) if stride == 2 else nn.Sequential(layer, BlurDown(wide))


def _block(config: GeneratorConfig, channels: int) -> nn.Module:
    if config.block == "residual":
        return ResidualBlock(channels, config.norm)
    return Conv(conv2d(channels, channels, 3), make_norm(config.norm, channels), nn.ReLU())


def _up(config: GeneratorConfig, wide: int, narrow: int) -> Conv:
    if config.up == "transposed":
        conv = nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1)
    else:
        conv = conv2d(wide, narrow, 3, border=config.border)
    return Conv(conv, make_norm(config.norm, narrow), nn.ReLU())


def _give_room(layers: list[nn.Module]) -> None:
    """Let each write its result where the next one finds the mirrored border around it."""
    for layer, behind in pairwise(layers):
        if isinstance(layer, Conv | ResidualBlock):
            layer.give_room(mirrored_pixels(behind))


def _off_mean(channels: Tensor, num: int) -> Tensor:
    """How far each of `[C, ...]` lies from the mean of its block of `num` channels."""
    blocks = channels.unflatten(0, (-1, num))
    return (blocks - blocks.mean(dim=1, keepdim=True)).flatten(0, 1)


def _lowpass(images: Tensor) -> Tensor:
    """The input without detail: colours come for free, every stroke has to be painted."""
    height, width = images.shape[-2:]
    cells = max(height // LOWPASS_FACTOR, 1), max(width // LOWPASS_FACTOR, 1)
    # In float32, which takes half of the time and comes to the same bits.
    small = F.interpolate(images.contiguous(), size=cells, mode="area").float()
    large = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    return LOWPASS_GAIN * large.to(images.dtype)


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        known = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"a generator's {name} must be one of {known}, got {value!r}")


def _check_range(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(
            f"a generator's {name} must be a whole number from {least} to {most}, got {value!r}"
        )
