"""What outputs are compared with: statistics of the paintings, and the rules of places and of seams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ganst.scoring.canonical import blur, canonical, halve, to_lab
from ganst.scoring.detector import shrunk_precision
from ganst.scoring.places import PlaceRule
from ganst.scoring.seams import MOVED_LINES, SeamRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_DIRECTIONS = 24
_QUANTILES = 25
_FILTERS = 24
_SCALES = 3
_RINGS = 24
_BANK_SEED = 20_240_607
_PSD_SIDE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A Gaussian in float64: `mean` `[D]`, `precision` `[D, D]` (Ledoit-Wolf)."""

    mean: np.ndarray
    precision: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray) -> Cloud:
        """Fit `[n, D]`."""
        mean = rows.mean(axis=0)
        return cls(mean=mean, precision=shrunk_precision(rows - mean))

    def distance(self, row: np.ndarray) -> float:
        """Mahalanobis distance of `[D]` divided by sqrt(D): about 1 for a member."""
        delta = row - self.mean
        return float(np.sqrt(max(delta @ self.precision @ delta, 0.0) / len(delta)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleReference:
    """Pooled palette, texture, naturalness and spectrum of a set of paintings."""

    palette: np.ndarray  # [24 directions, 25 quantiles] in Lab units
    texture: Cloud
    statistics: Cloud
    spectrum: Cloud

    @classmethod
    def fit(cls, paintings: Sequence[Tensor]) -> StyleReference:
        """Fit uint8 `[3, H, W]` paintings; each is cut into overlapping windows at two scales."""
        if not paintings:
            raise ValueError("a style reference needs at least one painting")
        labs = [to_lab(window) for painting in paintings for window in _windows(painting)]
        return cls(
            palette=np.mean([palette(lab) for lab in labs], axis=0),
            texture=Cloud.fit(np.stack([texture(lab) for lab in labs])),
            statistics=Cloud.fit(np.stack([scene_statistics(lab[0] / 100) for lab in labs])),
            spectrum=Cloud.fit(np.stack([spectrum(lab[0] / 100) for lab in labs])),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file."""
        arrays = {"palette": self.palette}
        for name in ("texture", "statistics", "spectrum"):
            cloud: Cloud = getattr(self, name)
            arrays |= {f"{name}.mean": cloud.mean, f"{name}.precision": cloud.precision}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> StyleReference:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        clouds = {
            name: Cloud(mean=arrays[f"{name}.mean"], precision=arrays[f"{name}.precision"])
            for name in ("texture", "statistics", "spectrum")
        }
        return cls(palette=arrays["palette"], **clouds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """All that `ganst.scoring.measuring.measure` needs to know of a style."""

    style: StyleReference
    places: PlaceRule
    seams: SeamRule = MOVED_LINES

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file."""
        seams = np.array([self.seams.reach, self.seams.gain])
        arrays = self.style.to_arrays() | {"seams": seams}
        return arrays | {f"places.{k}": v for k, v in self.places.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Reference:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        prefix = "places."
        places = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        reach, gain = arrays["seams"].tolist()
        return cls(
            style=StyleReference.from_arrays(arrays),
            places=PlaceRule.from_arrays(places),
            seams=SeamRule(reach=round(reach), gain=gain),
        )


def palette(lab: Tensor) -> np.ndarray:
    """Quantiles of Lab pixels along 24 fixed directions, `[24, 25]`."""
    pixels = halve(lab, 2).flatten(1).numpy()  # [3, P]
    projected = np.sort(_directions() @ pixels, axis=1)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * projected.shape[1]
    return projected[:, at.astype(int)].astype(np.float64)


def texture(lab: Tensor) -> np.ndarray:
    """Log mean response of a random 7x7 bank at 3 scales, `[72]` (Ustyuzhaninov 2016)."""
    plane = lab / torch.tensor([50.0, 30.0, 30.0])[:, None, None]
    energies = []
    for _ in range(_SCALES):
        plane = halve(plane)
        response = F.conv2d(plane[None], _bank()).relu()
        energies.append(torch.log((response**2).mean(dim=(0, 2, 3)) + 1e-5))
    return torch.cat(energies).double().numpy()


def scene_statistics(light: Tensor) -> np.ndarray:
    """Statistics of locally normalised luminance at two scales, `[16]` (NIQE; Mittal 2013)."""
    rows = []
    plane = light
    for _ in range(2):
        rows.append(_normalised_statistics(plane))
        plane = halve(plane[None])[0]
    return torch.cat(rows).double().numpy()


def spectrum(light: Tensor) -> np.ndarray:
    """Log power in 24 rings of the central square windows, `[24]`; ring 0 (the mean) left out."""
    windows = _squares(light)
    windows = (windows - windows.mean(dim=(1, 2), keepdim=True)) * _hann()
    power = torch.fft.rfft2(windows).abs().square().mean(dim=0)
    rings = torch.bincount(_ring_index(), power.double().flatten(), _RINGS + 1)
    return torch.log(rings[1:] / _ring_sizes()[1:] + 1e-4).numpy()


def sliced_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Sliced Wasserstein-1 distance of two palettes in Lab units."""
    return float(np.abs(a - b).mean())


def _windows(painting: Tensor) -> list[Tensor]:
    """The canonical painting, and 192-px windows of it: a few paintings make many rows."""
    whole = canonical(painting)
    side = 192
    rows = range(0, whole.shape[1] - side + 1, 32)
    cols = range(0, whole.shape[2] - side + 1, 32)
    return [whole, *(whole[:, r : r + side, c : c + side] for r in rows for c in cols)]


def _normalised_statistics(light: Tensor) -> Tensor:
    both = blur(torch.stack([light, light * light]), 7 / 6)
    deviation = (both[1] - both[0] ** 2).clamp_min(0).sqrt()
    m = (light - both[0]) / (deviation + 0.01)
    products = (m[:, 1:] * m[:, :-1], m[1:] * m[:-1], m[1:, 1:] * m[:-1, :-1])
    rows = [m.abs().mean(), m.square().mean().sqrt(), torch.log(deviation.mean() + 1e-3)]
    rows += [(m**4).mean() ** 0.25, m.mean()]
    rows += [product.mean() for product in products]
    return torch.stack(rows)


def _squares(light: Tensor) -> Tensor:
    """Up to 8 windows of 128 px spread over `[h, w]`."""
    height, width = light.shape
    rows = [0, height - _PSD_SIDE] if height < 2 * width else [0, (height - 128) // 2, height - 128]
    cols = [0, width - _PSD_SIDE] if width < 2 * height else [0, (width - 128) // 2, width - 128]
    return torch.stack([light[r : r + _PSD_SIDE, c : c + _PSD_SIDE] for r in rows for c in cols])


@lru_cache(maxsize=1)
def _directions() -> np.ndarray:
    rng = np.random.default_rng(_BANK_SEED)
    directions = rng.normal(size=(_DIRECTIONS, 3))
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=1)
def _bank() -> Tensor:
    """24 zero-mean, unit-norm random filters over Lab, `[24, 3, 7, 7]`."""
    generator = torch.Generator().manual_seed(_BANK_SEED)
    bank = torch.randn(_FILTERS, 3, 7, 7, generator=generator)
    bank = bank - bank.mean(dim=(2, 3), keepdim=True)
    return bank / bank.flatten(1).norm(dim=1)[:, None, None, None]


@lru_cache(maxsize=1)
def _hann() -> Tensor:
    window = torch.hann_window(_PSD_SIDE, periodic=False)
    return window[:, None] * window[None, :]


@lru_cache(maxsize=1)
def _ring_index() -> Tensor:
    fy = torch.fft.fftfreq(_PSD_SIDE)[:, None]
    fx = torch.fft.rfftfreq(_PSD_SIDE)[None, :]
    radius = torch.hypot(fy, fx) * 2  # 1 at Nyquist
    inside = (radius.clamp_max(0.999) * _RINGS).long() + 1
    inside[0, 0] = 0
    return inside.flatten()


@lru_cache(maxsize=1)
def _ring_sizes() -> Tensor:
    return torch.bincount(_ring_index(), minlength=_RINGS + 1).double().clamp_min(1)
