"""Faults of moving pictures put into the outputs of a shot on purpose, as `ganst.scoring.faults` does with photos.

Each takes outputs in order, uint8 `[3, H, W]`, and a severity in 1..5. The scorer never sees them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ganst.scoring.faults import on_scale, to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    ShotFault = Callable[[Iterable[Tensor], float, torch.Generator], Iterator[Tensor]]

_DRIFT_FRAMES = 25.0


def flicker(
    frames: Iterable[Tensor], severity: float, generator: torch.Generator
) -> Iterator[Tensor]:
    """Light that jumps at random by a standard deviation of 2 to 12 levels a frame."""
    levels = on_scale(severity, 2.0, 12.0)
    for frame in frames:
        yield to_pixels(frame.float() + levels * torch.randn(1, generator=generator))


def colour_flicker(
    frames: Iterable[Tensor], severity: float, generator: torch.Generator
) -> Iterator[Tensor]:
    """Contrast of each channel that jumps at random by 2 to 12 %: what instance norms do."""
    share = on_scale(severity, 0.02, 0.12)
    for frame in frames:
        gains = 1 + share * torch.randn(3, 1, 1, generator=generator)
        yield to_pixels((frame.float() - 128) * gains + 128)


def shimmer(
    frames: Iterable[Tensor], severity: float, generator: torch.Generator
) -> Iterator[Tensor]:
    """Grain of 4 px, another one in every frame, 3 to 16 levels: strokes that crawl."""
    levels = on_scale(severity, 3.0, 16.0)
    for frame in frames:
        height, width = frame.shape[1:]
        grain = torch.randn(1, -(-height // 4), -(-width // 4), generator=generator)
        large = grain.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :height, :width]
        yield to_pixels(frame.float() + levels * large)


def drift(
    frames: Iterable[Tensor], severity: float, _generator: torch.Generator
) -> Iterator[Tensor]:
    """Slow brightening by 10 to 40 levels in 25 frames."""
    step = on_scale(severity, 10.0, 40.0) / _DRIFT_FRAMES
    for number, frame in enumerate(frames):
        yield to_pixels(frame.float() + step * number)


def stuck(
    frames: Iterable[Tensor], severity: float, _generator: torch.Generator
) -> Iterator[Tensor]:
    """Every frame shown 2 to 6 times: the ones between are dropped."""
    times = round(on_scale(severity, 2, 6))
    shown: Tensor | None = None
    for number, frame in enumerate(frames):
        shown = frame if shown is None or number % times == 0 else shown
        yield shown


SHOT_FAULTS: dict[str, ShotFault] = {
    "flicker": flicker,
    "colour_flicker": colour_flicker,
    "shimmer": shimmer,
    "drift": drift,
    "stuck": stuck,
}
# What a shot with that fault may rightly be called.
NAMES: dict[str, tuple[str, ...]] = {
    "flicker": ("flicker", "shimmer"),
    "colour_flicker": ("flicker", "shimmer"),
    "shimmer": ("shimmer", "flicker"),
    "drift": ("drift",),
    "stuck": ("stuck", "flicker"),
}
