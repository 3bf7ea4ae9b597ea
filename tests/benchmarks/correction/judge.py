"""The judge of corrections: how far an image is from its undamaged twin. The loop never sees it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganst.scoring.canonical import canonical, native_light
from tests.benchmarks.scoring.features import describe, ssim

SUCCESS = 0.7  # of the distance left
NO_WORSE = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """From the twin: RMS of levels 0..255, 1 - SSIM of light, and of EfficientNet's features."""

    levels: float
    structure: float
    features: float | None  # None where the network is not installed

    def ratios(self, before: "Distance") -> list[float]:
        """What is left of each distance."""
        pairs = [(self.levels, before.levels), (self.structure, before.structure)]
        if self.features is not None and before.features is not None:
            pairs.append((self.features, before.features))
        return [after / max(was, 1e-9) for after, was in pairs]


@torch.inference_mode()
def distance(image: Tensor, twin: Tensor) -> Distance:
    """Measure uint8 `[3, H, W]` both; infinitely far where the sizes differ."""
    if image.shape != twin.shape:
        return Distance(levels=math.inf, structure=math.inf, features=math.inf)
    difference = (image.float() - twin.float()).square().mean().sqrt()
    lights = (native_light(canonical(x)) for x in (image, twin))
    numbers, _ = describe(twin, image)
    return Distance(
        levels=float(difference),
        structure=1 - ssim(*lights),
        features=numbers.get("feature_distance"),
    )


def verdict(after: Distance, before: Distance) -> str:
    """What a delivered candidate is worth: success, harm or no-op.

    Success: the distance fell by 30 % (the median of the measures) and none rose by over 5 %. Harm:
    it rose. All else changed little for the effort.
    """
    ratios = sorted(after.ratios(before))
    middle = ratios[len(ratios) // 2] if len(ratios) % 2 else sum(ratios[:2]) / 2
    if middle <= SUCCESS and ratios[-1] <= NO_WORSE:
        return "success"
    return "harm" if middle > 1 else "no-op"
