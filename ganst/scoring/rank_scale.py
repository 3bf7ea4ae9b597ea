"""Columns as normal scores: their ranks among the values that were fitted, and beyond these by distance.

Everything is float64 NumPy; n fitted rows, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Mapping

# Up to about so many spreads outside the fit count in full, more by their logarithm. With 1, a blur
# of σ 4 px scored no more than the oddest normal outputs of unseen photos.
_REACH = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankScale:
    """Maps each column to a normal score through the empirical distribution of the fit rows.

    Outside the fitted range the score goes on growing with the logarithm of the distance, so that
    no column saturates and none dominates. `knots` `[n, C]` sorted; `spread`, and `floor`, the
    smallest difference that matters: `[C]` in column units.
    """

    knots: np.ndarray
    spread: np.ndarray
    floor: np.ndarray
    reach: float = _REACH
    _columns: np.ndarray = field(init=False, repr=False)  # [C, n], each column in one piece
    _sums: np.ndarray = field(
        init=False, repr=False
    )  # [C, 1 + n]: of the knots below, off the middle

    def __post_init__(self) -> None:
        columns = np.ascontiguousarray(self.knots.T)
        sums = np.cumsum(columns - self._middles[:, None], axis=1)
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_sums", np.pad(sums, ((0, 0), (1, 0))))

    @property
    def _middles(self) -> np.ndarray:
        """`[C]`: sums of what lies around them stay small, and their differences exact."""
        return self.knots[len(self.knots) // 2]

    @classmethod
    def fit(cls, rows: np.ndarray, floor: np.ndarray) -> RankScale:
        """Fit `[n, C]`; `floor` `[C]` is the smallest difference that matters in a column's unit."""
        # Rounded to what is stored, so that a calibration read back judges exactly as it did.
        knots = np.sort(np.asarray(rows, np.float32), axis=0).astype(np.float64)
        low, high = np.quantile(knots, [0.25, 0.75], axis=0)
        return cls(knots=knots, spread=np.maximum((high - low) / 1.349, floor), floor=floor)

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Normal scores of `[m, C]`, `[m, C]`."""
        rows, least = np.asarray(rows, np.float64), 0.5 / len(self.knots)
        inside = ndtri(np.clip(self._share_below(rows), least, 1 - least))
        excess = np.maximum(rows - self.knots[-1], 0) - np.maximum(self.knots[0] - rows, 0)
        beyond = self.reach * np.log1p(np.abs(excess) / (self.reach * self.spread))
        return inside + np.sign(excess) * beyond

    def _share_below(self, rows: np.ndarray) -> np.ndarray:
        """The share of the knots that lie below `[m, C]`, `[m, C]`, each a box of the floor's width.

        Where most fitted values are equal, as in "no pixel clipped", a first clipped pixel must not
        jump from rank 0.5 to rank 0.97. A knot counts as a whole under the box, and
        1/2 + (value - knot) / width inside: the sum of those is a difference of two sums.
        """
        rows = np.clip(rows, self.knots[0] - self.floor, self.knots[-1] + self.floor)
        under = self._ranks(rows - self.floor / 2, "left")
        over = self._ranks(rows + self.floor / 2, "right")
        each = np.arange(rows.shape[1])
        inside = (over - under) * (rows - self._middles)
        inside -= self._sums[each, over] - self._sums[each, under]
        return ((under + over) / 2 + inside / self.floor) / len(self.knots)

    def _ranks(self, rows: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """How many knots lie below `[m, C]`, `[m, C]`."""
        found = [
            knots.searchsorted(values, side)
            for knots, values in zip(self._columns, rows.T, strict=True)
        ]
        return np.stack(found, axis=1)

    def to_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Name the arrays, for a safetensors file; the knots in single precision."""
        return {
            f"{name}.knots": self.knots.astype(np.float32),
            f"{name}.spread": self.spread,
            f"{name}.floor": self.floor,
            f"{name}.reach": np.array([self.reach]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], name: str) -> RankScale:
        """Undo `to_arrays`."""
        return cls(
            knots=arrays[f"{name}.knots"].astype(np.float64),
            spread=arrays[f"{name}.spread"],
            floor=arrays[f"{name}.floor"],
            reach=float(arrays[f"{name}.reach"][0]),
        )
