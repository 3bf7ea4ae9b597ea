"""What known kinds of faults look like: one direction alone is searched where all columns are noise.

A mild fault moves a few columns a little, each in its way. The squared length of all residuals drowns
that in the scatter of fifty others; their component along the way that the kind is known to take has
the scatter of one. It is the adaptive matched filter (Robey et al. 1992, IEEE T-AES 28(1), equation 20),
with the mean of known faults as the signal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMIT = 8.0  # residuals beyond 8 sigma say no more about the way
# Fewer faults of a kind are not told apart: their ways would be those of single photos.
_FEWEST_OF_TWO = 20


def fit_filters(residuals: np.ndarray, kinds: Sequence[str], precision: np.ndarray) -> np.ndarray:
    """Two filters for each kind, `[F, D]`: a cast may be warm or cold, a photo too light or too dark.

    Residuals `[n, D]` of outputs with a fault, `kinds` `[n]`, `precision` `[D, D]` of outputs without.
    A strong fault counts as much as a mild one, as ways are directions in space where normal scatter is round.
    """
    names = np.asarray(kinds)
    root = np.linalg.cholesky(precision)
    ways = _unit(np.clip(residuals, -_LIMIT, _LIMIT) @ root)
    means = [mean for name in np.unique(names) for mean in _means(ways[names == name])]
    return np.ascontiguousarray(_unit(np.array(means)) @ root.T)


def matched(residuals: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Squared component of `[m, D]` along the filter that fits best, `[m]`; 0 against all of them.

    Among normal outputs the component along each is about a normal number.
    """
    return np.square(np.maximum(residuals @ filters.T, 0.0)).max(axis=1)


def _means(ways: np.ndarray) -> list[np.ndarray]:
    """Of both halves of `[n, D]` along the axis in which they differ most; of all, where they are few."""
    middle = ways.mean(axis=0)
    if len(ways) < _FEWEST_OF_TWO:
        return [middle]
    axis = np.linalg.svd(ways - middle, full_matrices=False)[2][0]
    side = (ways - middle) @ axis > 0
    return [ways[side].mean(axis=0), ways[~side].mean(axis=0)]


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; rows of nothing stay that."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
