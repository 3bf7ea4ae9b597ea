"""What the baselines see of a pair: SSIM, colour moments, and EfficientNet-Lite0 where installed."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganst.scoring.backbone import layers, measure_backbone, open_network
from ganst.scoring.canonical import blur, canonical, native_light

_GRID = 12


@torch.inference_mode()
def describe(
    source: Tensor, output: Tensor
) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
    """Numbers and arrays of a pair, uint8 `[3, H, W]` both: the arrays empty without the network."""
    photo, painting = canonical(source), canonical(output)
    moments = painting.float().flatten(1)
    numbers: dict[str, float | None] = {
        f"rgb_{i}": float(v) for i, v in enumerate([*moments.mean(1), *moments.std(1)])
    }
    numbers["ssim"] = ssim(native_light(photo), native_light(painting))
    network = open_network()
    if network is None:
        return numbers, {}
    found = measure_backbone(source, output)
    numbers |= {"feature_distance": found["n_distance"], "feature_structure": found["n_structure"]}
    after = layers(network, painting)
    pooled = torch.cat([layer.mean(dim=(1, 2)) for layer in after])
    grids = [
        F.adaptive_avg_pool2d(F.avg_pool2d(after[i], 3, 1, 1), _GRID) for i in (1, 2)
    ]  # strides 8 and 16 (arXiv:2106.08265)
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
