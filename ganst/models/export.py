"""A generator as an ONNX graph for any N, H and W, and the proof that it computes the same.

The graph takes what `to_model` gives, `[N, 3, H, W]` in [-1, 1], any sizes from 1 x 1; it pads and crops
itself, as stylizing does. Importing this module needs the extra `onnx`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from ganst.errors import ExportError
from ganst.inference import SMALLEST_SIDE_PX
from ganst.models.generator import LOWPASS_FACTOR, LOWPASS_GAIN, ResnetGenerator
from ganst.models.layers import BlurDown, Conv, InstanceNorm, ResidualBlock
from ganst.models.onnx_graph import OPSET, Graph, crop, lowpass, mirror
from ganst.pixels import pad_to_stride

TOLERANCE = 1e-4  # of a range of 2; one level of 8 bits is 0.008
# Flat images are no test: instance norm divides by their rounding errors, in both programs alike.
_SHAPES = ((1, 64, 64), (2, 72, 100), (3, 65, 33), (2, 3, 5), (1, 17, 130), (1, 129, 97))
_NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """How far the exported graph is from the generator, by shape `NxHxW`."""

    max_abs_difference: float
    by_shape: dict[str, float]
    tolerance: float
    onnxruntime: str
    torch: str
    opset: int


def to_onnx(generator: ResnetGenerator, about: Mapping[str, str]) -> bytes:
    """The graph from `images` to `styled`; `about` becomes its metadata."""
    graph, config = Graph(), generator.config
    padded, top = mirror(graph, "images", 2, config.stride, SMALLEST_SIDE_PX)
    padded, left = mirror(graph, padded, 3, config.stride, SMALLEST_SIDE_PX)
    x = _generated(graph, generator, padded)
    x = crop(graph, x, 2, top, graph.size("images", 2))
    x = crop(graph, x, 3, left, graph.size("images", 3))
    return graph.to_model(x, dict(about))


def certify(model: bytes, generator: ResnetGenerator, seed: int = 0) -> Certificate:
    """Run both on random images of several sizes and batches.

    Raises:
        ExportError: They differ by more than the tolerance.

    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(seed)
    by_shape = {}
    for num_images, height, width in _SHAPES:
        images = torch.rand(num_images, 3, height, width, generator=rng) * 2 - 1
        (styled,) = session.run(["styled"], {"images": images.numpy()})
        difference = (torch.from_numpy(np.asarray(styled)) - _expected(generator, images)).abs()
        by_shape[f"{num_images}x{height}x{width}"] = difference.max().item()
    worst = max(by_shape.values())
    if not worst <= TOLERANCE:
        raise ExportError(
            f"the exported graph differs from the generator by {worst:.2g}, more than {TOLERANCE:.0e}"
        )
    return Certificate(
        max_abs_difference=worst,
        by_shape=by_shape,
        tolerance=TOLERANCE,
        onnxruntime=onnxruntime.__version__,
        torch=str(torch.__version__),
        opset=OPSET,
    )


@torch.inference_mode()
def _expected(generator: ResnetGenerator, images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    padded, (top, left) = pad_to_stride(images, generator.config.stride, SMALLEST_SIDE_PX)
    return generator(padded)[..., top : top + height, left : left + width]


def _generated(graph: Graph, generator: ResnetGenerator, images: str) -> str:
    """The generator itself, on images of a multiple of its stride."""
    config = generator.config
    shuffle = config.shuffle
    x = _unshuffled(graph, images, shuffle)
    for layer in [generator.stem, *generator.downs, *generator.blocks]:
        x = _layer(graph, layer, x)
    for up in generator.ups:
        x = _layer(graph, up, _enlarged(graph, x, config.up))
    x = _layer(graph, generator.head, x)
    if shuffle > 1:
        x = graph.add("DepthToSpace", x, blocksize=shuffle, mode="CRD")
    if config.skip == "lowpass":
        x = graph.add("Add", x, lowpass(graph, images, LOWPASS_FACTOR, LOWPASS_GAIN))
    return graph.add("Tanh", x)


def _unshuffled(graph: Graph, x: str, shuffle: int) -> str:
    """Blocks of pixels as channels, the colour being the slower index (SpaceToDepth has it faster)."""
    if shuffle == 1:
        return x
    x = graph.add("SpaceToDepth", x, blocksize=shuffle)
    order = [place * 3 + colour for colour in range(3) for place in range(shuffle**2)]
    return graph.add("Gather", x, graph.constant(order), axis=1)


def _enlarged(graph: Graph, x: str, up: str) -> str:
    if up == "transposed":
        return x
    modes = {
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        "nearest": {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
    }
    scales = graph.constant([1.0, 1.0, 2.0, 2.0])
    return graph.add("Resize", x, "", scales, **modes[up])


def _layer(graph: Graph, layer: nn.Module, x: str) -> str:
    if isinstance(layer, Conv):
        return _conv(graph, layer, x)
    if isinstance(layer, ResidualBlock):
        second = _layer(graph, layer.second, _layer(graph, layer.first, x))
        return graph.add("Add", x, _norm(graph, layer.norm, second, layer.second))
    if isinstance(layer, BlurDown):
        kernel = graph.constant(layer.get_buffer("kernel").numpy())
        x = _reflected(graph, x, 1)
        return graph.add(
            "Conv", x, kernel, strides=[2, 2], group=layer.get_buffer("kernel").shape[0]
        )
    assert isinstance(layer, nn.Sequential), type(layer)
    for part in layer:
        x = _layer(graph, part, x)
    return x


def _conv(graph: Graph, layer: Conv, x: str) -> str:
    conv = layer.conv
    weights = [
        graph.constant(t.detach().numpy()) for t in (conv.weight, conv.bias) if t is not None
    ]
    pad, strides = int(conv.padding[0]), list(conv.stride)
    if isinstance(conv, nn.ConvTranspose2d):
        extra = list(conv.output_padding)
        x = graph.add(
            "ConvTranspose", x, *weights, strides=strides, pads=[pad] * 4, output_padding=extra
        )
    elif conv.padding_mode == "reflect":
        x = graph.add("Conv", _reflected(graph, x, pad), *weights, strides=strides)
    else:
        x = graph.add("Conv", x, *weights, strides=strides, pads=[pad] * 4)
    x = _norm(graph, layer.norm, x, layer)
    if isinstance(layer.activation, nn.LeakyReLU):
        return graph.add("LeakyRelu", x, alpha=layer.activation.negative_slope)
    return graph.add("Relu", x) if isinstance(layer.activation, nn.ReLU) else x


def _norm(graph: Graph, norm: nn.Module, x: str, behind: Conv) -> str:
    """Statistics over the whole image, as in the generator: exact for every size."""
    if not isinstance(norm, InstanceNorm):
        return x
    channels = behind.conv.out_channels
    weight = torch.ones(channels) if norm.weight is None else norm.weight.detach()
    bias = torch.zeros(channels) if norm.bias is None else norm.bias.detach()
    constants = graph.constant(weight.numpy()), graph.constant(bias.numpy())
    return graph.add("InstanceNormalization", x, *constants, epsilon=_NORM_EPS)


def _reflected(graph: Graph, x: str, pad: int) -> str:
    if pad == 0:
        return x
    pads = graph.constant([0, 0, pad, pad, 0, 0, pad, pad])
    return graph.add("Pad", x, pads, mode="reflect")
