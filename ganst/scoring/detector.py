"""How unusual is this output, given its source? A frozen, source-conditional Mahalanobis distance.

Letters: n calibration rows; X source columns; D judged columns. Everything is float64 NumPy. A
score depends on the frozen calibration only, never on the other images of a call.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganst.scoring.fault_filters import fit_filters, matched
from ganst.scoring.rank_scale import RankScale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Unseen photos of other kinds lie out there; cutting at 2 called their outputs unexpected.
_SOURCE_LIMIT = 4.0
_RIDGE = 30.0
_BETTER = 1.5
_STANDING_OUT, _GIVEN_OTHERS = 6, 3  # columns
_USUAL = 0.9  # quantile of a deviation that is called its usual size
_SPREAD = (0.5, 0.95)  # quantiles between which its logarithm spreads
_SIZE_RIDGE = 1000.0
_TINY = 1e-6
_MIN_SPREAD = 0.6  # of a residual: a column that the source explains fully is no alarm bell


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """Normal scores, what the source explains of them taken out, and the precision of the rest."""

    source_scale: RankScale
    output_scale: RankScale
    weights: np.ndarray  # [1 + 2 X, D]
    spread: np.ndarray  # [D] of the residuals
    precision: np.ndarray  # [D, D] of the residuals divided by spread
    signs: np.ndarray  # [D]: +1 high is bad, -1 low is bad, 0 both
    most: np.ndarray  # [D]: no residual makes an output more unusual than this one would
    source_precision: np.ndarray  # [X, X] of the source scores
    filters: np.ndarray  # [F, D]: the ways of known faults; [0, D] where none are known
    source_limit: float = _SOURCE_LIMIT  # beyond it the ridge does not extrapolate
    _marginal: dict[bytes, np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # precision of the columns that were asked for alone

    @classmethod
    def fit(cls, sources: np.ndarray, outputs: np.ndarray, floors: Floors) -> Detector:
        """Fit source columns `[n, X]` and judged columns `[n, D]` of outputs taken as normal."""
        source_scale = RankScale.fit(sources, floors.sources)
        output_scale = RankScale.fit(outputs, floors.outputs)
        known = source_scale.transform(sources)
        features = _features(known, _SOURCE_LIMIT)
        targets = output_scale.transform(outputs)
        weights = ridge(features, targets, _RIDGE)
        residuals = targets - features @ weights
        spread = np.maximum(residuals.std(axis=0), _MIN_SPREAD)
        precision = shrunk_precision(bounded(residuals / spread, floors.signs))
        return cls(
            source_scale=source_scale,
            output_scale=output_scale,
            weights=weights,
            spread=spread,
            precision=precision,
            signs=floors.signs,
            most=floors.most,
            source_precision=shrunk_precision(known),
            filters=np.zeros((0, len(floors.signs))),
        )

    def taught(self, residuals: np.ndarray, kinds: Sequence[str]) -> Detector:
        """The same, that also looks for faults like those with residuals `[n, D]`, of `kinds` `[n]`."""
        return replace(self, filters=fit_filters(residuals, kinds, self.precision))

    def about(self, sources: np.ndarray) -> np.ndarray:
        """What photos `[m, X]` are like, and how odd they are: `[m, 4 + 2 X]`.

        Intercept, clipped scores, how odd each is, log squared length, the largest and the sum of the
        largest three.
        """
        scores = self.source_scale.transform(sources)
        cut = np.clip(scores, -_SOURCE_LIMIT, _SOURCE_LIMIT)
        each = np.abs(cut)
        largest = np.sort(each, axis=1)[:, ::-1]
        length = np.log(_squared_length(scores, self.source_precision) + 1e-3)
        odd = (length, largest[:, 0], largest[:, :3].sum(axis=1))
        return np.column_stack([np.ones(len(cut)), cut, each, *odd])

    def source_distance(self, sources: np.ndarray) -> np.ndarray:
        """How unlike the fitted photos others are: squared Mahalanobis length of `[m, X]`, `[m]`."""
        return _squared_length(self.source_scale.transform(sources), self.source_precision)

    def residuals(self, sources: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """What is unexpected given the photo, in standard deviations: `[m, D]`."""
        features = _features(self.source_scale.transform(sources), self.source_limit)
        raw = (self.output_scale.transform(outputs) - features @ self.weights) / self.spread
        return bounded(raw, self.signs)

    def distance(self, residuals: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
        """Squared Mahalanobis length of `[m, D]`, or of its columns `members` alone: `[m]`."""
        if members is None:
            return _squared_length(residuals, self.precision)
        return _squared_length(residuals[:, members], self._precision_of(members))

    def _precision_of(self, members: np.ndarray) -> np.ndarray:
        """Of the marginal Gaussian of some columns; inverted once, not for every output."""
        key = members.tobytes()
        if key not in self._marginal:
            covariance = np.linalg.inv(self.precision)[np.ix_(members, members)]
            self._marginal[key] = np.linalg.inv(covariance)
        return self._marginal[key]

    def deviations(self, residuals: np.ndarray) -> np.ndarray:
        """Four ways in which `[m, D]` may be unusual, `[m, 4]`, each a sum of squares.

        All columns together (Mahalanobis); the six that stand out most, each on its own; the three
        that stand out most given all others; and the likeness to known faults. A fault in one place
        moves few columns far, and a mild one of a known kind many of them a little: the sum over all
        drowns both in the scatter of the rest. Where no faults are known there are three.
        """
        residuals = np.minimum(residuals, self.most)
        given_others = residuals @ self.precision / np.sqrt(np.diag(self.precision))
        parts = [
            self.distance(residuals),
            _largest(residuals, _STANDING_OUT),
            _largest(given_others, _GIVEN_OTHERS),
        ]
        if len(self.filters):
            parts.append(matched(residuals, self.filters))
        return np.column_stack(parts)

    def at_least(self, residuals: np.ndarray, members: np.ndarray) -> np.ndarray:
        """What the deviations come to when `[m, D]` is known in the columns `members` alone: `[m, 4]`.

        Those of all columns are never less.
        """
        residuals = np.minimum(residuals, self.most)
        known = (self.distance(residuals, members), _largest(residuals[:, members], _STANDING_OUT))
        unknown = np.zeros((len(residuals), 1 + (len(self.filters) > 0)))
        return np.column_stack([*known, unknown])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file."""
        return {
            **self.source_scale.to_arrays("source_scale"),
            **self.output_scale.to_arrays("output_scale"),
            "weights": self.weights,
            "spread": self.spread,
            "precision": self.precision,
            "signs": self.signs,
            "most": self.most,
            "source_precision": self.source_precision,
            "filters": self.filters,
            "source_limit": np.array([self.source_limit]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Detector:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        return cls(
            source_scale=RankScale.from_arrays(arrays, "source_scale"),
            output_scale=RankScale.from_arrays(arrays, "output_scale"),
            weights=arrays["weights"],
            spread=arrays["spread"],
            precision=arrays["precision"],
            signs=arrays["signs"],
            most=arrays["most"],
            source_precision=arrays["source_precision"],
            filters=arrays["filters"],
            source_limit=float(arrays["source_limit"][0]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Smallest differences that matter, `sources` `[X]` and `outputs` `[D]`; `signs` `[D]` of bad.

    `most` `[D]`: see `Detector`; infinite where a residual counts whatever it is.
    """

    sources: np.ndarray
    outputs: np.ndarray
    signs: np.ndarray
    most: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualSizes:
    """How large each of the deviations is among good outputs of photos like this one.

    `weights` `[4 + 2 X, W]` of the logarithms of W deviations, `spread` `[W]` of those. Odd photos have odd outputs;
    with one size for all, they set the threshold for everyday ones (locally weighted conformal
    scores, arXiv:1604.04173). With one spread, the deviation that scatters most would set it.
    """

    weights: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, about: np.ndarray, deviations: np.ndarray) -> UsualSizes:
        """Fit `[n, W]` of normal outputs, left out of the fit, of photos that are like `[n, 4 + 2 X]`.

        One in ten is larger.
        """
        logs = np.log(deviations + _TINY)
        middle = logs.mean(axis=0)
        weights = ridge(about, logs - middle, _SIZE_RIDGE)
        rest = logs - middle - about @ weights
        weights[0] += middle + np.quantile(rest, _USUAL, axis=0)
        low, high = np.quantile(rest, _SPREAD, axis=0)
        return cls(weights=weights, spread=np.maximum(high - low, _TINY))

    def unusual(self, about: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """The anomaly score `[m]`: the largest of the deviations `[m, W]`, each over its size.

        Their logarithms are brought to one spread before, the mean of all.
        """
        over = (np.log(deviations + _TINY) - about @ self.weights) / self.spread
        return np.exp(over.max(axis=1) * self.spread.mean())


def bounded(residuals: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Cut `[m, D]` at 1.5 σ in the direction that is better than expected: no fault lies there."""
    low = np.where(signs > 0, -_BETTER, -np.inf)
    high = np.where(signs < 0, _BETTER, np.inf)
    return np.clip(residuals, low, high)


def shrunk_precision(rows: np.ndarray) -> np.ndarray:
    """Inverse Ledoit-Wolf covariance of centred rows `[n, D]`, `[D, D]`."""
    from sklearn.covariance import LedoitWolf  # to fit alone, not to judge

    model: Any = LedoitWolf(assume_centered=True)
    return np.ascontiguousarray(model.fit(rows).precision_)


def ridge(features: np.ndarray, targets: np.ndarray, strength: float) -> np.ndarray:
    """Ridge regression `[n, F]` -> `[n, D]`, the first feature being the unpenalised intercept."""
    penalty = np.full(features.shape[1], strength)
    penalty[0] = 0.0
    return np.linalg.solve(features.T @ features + np.diag(penalty), features.T @ targets)


def _largest(residuals: np.ndarray, count: int) -> np.ndarray:
    """Sum of the `count` largest squares of each row: `[m]`."""
    return np.sort(residuals**2, axis=1)[:, -count:].sum(axis=1)


def _features(scores: np.ndarray, limit: float) -> np.ndarray:
    """Intercept, clipped source scores and their squares: `[m, 1 + 2 X]`."""
    bounded = np.clip(scores, -limit, limit)
    return np.concatenate([np.ones((len(bounded), 1)), bounded, bounded**2 - 1], axis=1)


def _squared_length(rows: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.einsum("mi,ij,mj->m", rows, precision, rows)
