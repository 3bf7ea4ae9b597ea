"""A generator whose instance norms are measured on some frames, and told what to normalise by on all others.

Norms by given statistics are affine, and are folded into the convolutions before them (as batch norms
at rest are; Jacob et al. 2018, arXiv:1712.05877, section 3.2): no pass over the features is left of them.
"""

import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganst.models.generator import ResnetGenerator
from ganst.models.layers import Conv, InstanceNorm, ResidualBlock
from ganst.video.steady import Statistics

_EPSILON = 1e-5  # as in `torch.nn.functional.group_norm`


class SharedNorms:
    """A copy of a generator whose instance norms can be measured, and told what to normalise by."""

    def __init__(self, generator: ResnetGenerator) -> None:
        self.generator = copy.deepcopy(generator)
        self._convs = list(_replace_convs(self.generator))

    def measure(self, images: Tensor) -> Statistics:
        """`[1, 3, H, W]` in [-1, 1] -> the statistics by which the plain generator normalises it."""
        for conv in self._convs:
            conv.given = None
        if self._convs:
            self.generator.features(images)
        return tuple(conv.measured for conv in self._convs)

    def apply(self, images: Tensor, statistics: Statistics) -> Tensor:
        """`[1, 3, H, W]` in [-1, 1] -> the same shape before its tanh, normalised by `statistics`."""
        for conv, given in zip(self._convs, statistics, strict=True):
            conv.given = given
        return self.generator.paint(images)


class _SharedConv(nn.Module):
    """A convolution and its instance norm, by statistics that were given or by its own, which it keeps."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, norm: InstanceNorm) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.given: Tensor | None = None
        self.measured = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        if self.given is not None:
            return self._convolved(x, *self._folded(self.given))
        normalised, self.measured = _measured(self.conv(x), self.norm)
        return normalised

    def _folded(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and bias that normalise: counted in float32 whatever `x` is, and rounded once."""
        conv, (mean, square) = self.conv, given
        gain = ((square - mean.square()).clamp_min(0) + _EPSILON).rsqrt()
        offset = -mean if conv.bias is None else conv.bias.float() - mean
        if self.norm.weight is not None and self.norm.bias is not None:
            gain = gain * self.norm.weight.float()
            offset = offset * gain + self.norm.bias.float()
        else:
            offset = offset * gain
        shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
        weight = conv.weight.float() * gain.reshape(shape)
        return weight.to(conv.weight.dtype), offset.to(conv.weight.dtype)

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        conv = self.conv
        if isinstance(conv, nn.Conv2d):
            return conv._conv_forward(x, weight, bias)
        steps = [int(step) for step in conv.padding]
        places = (conv.stride, steps, conv.output_padding, conv.groups, conv.dilation)
        return F.conv_transpose2d(x, weight, bias, *places)


def _measured(y: Tensor, norm: InstanceNorm) -> tuple[Tensor, Tensor]:
    """`[1, C, H, W]` normalised, and mean and mean of squares of each channel: float32 `[2, C]`.

    By a batch norm in training, which is an instance norm where there is one image, and tells what it
    finds. It sums in float32: a thirtieth of the time of `torch.var_mean` on channels that lie last.
    """
    mean, variance = torch.zeros(2, y.shape[1], device=y.device)
    normalised = F.batch_norm(
        y, mean, variance, norm.weight, norm.bias, training=True, momentum=1.0, eps=_EPSILON
    )
    count = y.numel() // y.shape[1]  # the variance comes over one less
    return normalised, torch.stack([mean, variance * ((count - 1) / count) + mean.square()])


def _replace_convs(module: nn.Module) -> Iterator[_SharedConv]:
    """In the order in which they are run."""
    for child in module.children():
        if isinstance(child, Conv) and isinstance(child.norm, InstanceNorm):
            shared = _SharedConv(child.conv, child.norm)
            child.add_module("conv", shared)
            child.norm = nn.Identity()
            yield shared
        else:
            yield from _replace_convs(child)
    if isinstance(module, ResidualBlock) and isinstance(module.norm, InstanceNorm):
        shared = _SharedConv(module.second.conv, module.norm)
        module.second.add_module("conv", shared)
        module.norm = nn.Identity()
        yield shared
