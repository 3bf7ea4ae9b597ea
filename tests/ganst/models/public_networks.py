"""The public generators written down plainly, as the oracle of the import.

After the papers (CycleGAN arXiv:1703.10593, CUT arXiv:2007.15651 with the blurs of arXiv:1904.11486):
one nn.Sequential, so that the names of the tensors are the public ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A public architecture."""

    width: int = 8
    num_blocks: int = 2
    norm: str = "instance"  # instance, affine, batch
    dropout: bool = False
    blur_down: bool = False
    blur_up: bool = False
    block_name: str = "conv_block"

    def make_norm(self, channels: int) -> nn.Module:
        if self.norm == "batch":
            return nn.BatchNorm2d(channels)
        return nn.InstanceNorm2d(channels, affine=self.norm == "affine")

    @property
    def bias(self) -> bool:
        return self.norm != "batch"


class Block(nn.Module):
    def __init__(self, variant: Variant, channels: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=variant.bias)]
        front = [*half, variant.make_norm(channels), nn.ReLU()]
        front += [nn.Dropout(0.5)] if variant.dropout else []
        back = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=variant.bias)]
        layers = nn.Sequential(*front, *back, variant.make_norm(channels))
        self.name = variant.block_name
        self.add_module(self.name, layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.get_submodule(self.name)(x)


class Down(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", _kernel([1.0, 2.0, 1.0], channels))

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, self.get_buffer("filt"), stride=2, groups=x.shape[1])


class Up(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", _kernel([1.0, 3.0, 3.0, 1.0], channels) * 4)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        filt = self.get_buffer("filt")
        y = F.conv_transpose2d(padded, filt, stride=2, padding=2, groups=x.shape[1])
        return y[:, :, 1:-1, 1:-1]


class PublicGenerator(nn.Module):
    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.model = nn.Sequential(*_layers(variant))

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def make_public(variant: Variant, rng: torch.Generator) -> PublicGenerator:
    """A network with weights, gains and running statistics drawn from `rng`, in eval mode."""
    network = PublicGenerator(variant).eval()
    for name, tensor in network.state_dict().items():
        _draw(name, tensor, rng)
    return network


def _draw(name: str, tensor: Tensor, rng: torch.Generator) -> None:
    if name.endswith(("filt", "num_batches_tracked")):
        return
    if tensor.dim() == 4:
        tensor.normal_(0, 1 / tensor[0].numel() ** 0.5, generator=rng)
    elif name.endswith("running_var"):
        tensor.uniform_(0.5, 2, generator=rng)
    else:
        tensor.uniform_(-1, 1, generator=rng)


def _layers(variant: Variant) -> Iterator[nn.Module]:
    width = variant.width

    def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
        return [conv, variant.make_norm(channels), nn.ReLU()]

    yield nn.ReflectionPad2d(3)
    yield from normed(nn.Conv2d(3, width, 7, bias=variant.bias), width)
    for channels in (width, 2 * width):
        stride = 1 if variant.blur_down else 2
        conv = nn.Conv2d(channels, 2 * channels, 3, stride, padding=1, bias=variant.bias)
        yield from normed(conv, 2 * channels)
        if variant.blur_down:
            yield Down(2 * channels)
    for _ in range(variant.num_blocks):
        yield Block(variant, 4 * width)
    for channels in (4 * width, 2 * width):
        if variant.blur_up:
            yield Up(channels)
        yield from normed(_up_convolution(variant)(channels), channels // 2)
    yield nn.ReflectionPad2d(3)
    yield nn.Conv2d(width, 3, 7)
    yield nn.Tanh()


def _up_convolution(variant: Variant) -> Callable[[int], nn.Module]:
    if variant.blur_up:
        return lambda channels: nn.Conv2d(channels, channels // 2, 3, padding=1, bias=variant.bias)
    return lambda channels: nn.ConvTranspose2d(
        channels, channels // 2, 3, 2, padding=1, output_padding=1, bias=variant.bias
    )


def _kernel(taps: list[float], channels: int) -> Tensor:
    line = torch.tensor(taps)
    return (torch.outer(line, line) / line.sum() ** 2).repeat(channels, 1, 1, 1)
