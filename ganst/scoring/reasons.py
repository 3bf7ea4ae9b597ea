"""Words for what went wrong: a small classifier that may say "unknown", and the columns themselves.

Whether an output is flagged is not asked here. The column with the largest residual names the fault
in only a third of the cases, a small network over all of them in nineteen of twenty.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from ganst.scoring.conformal import cross_fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganst.scoring.columns import Column

UNKNOWN = "unknown"
_LIMIT = 8.0  # residuals beyond 8 sigma say no more about the kind of fault
_MIN_PROBABILITY = 0.4
# Shares of taught faults that are called unknown.
_UNSURE = 0.02
_UNLIKE = 0.08
_NEIGHBOURS = 5
# The stronger a fault, the farther it lies from its like: distances are measured by this power of its
# length. With 0 it is strong faults that are called unknown, with 1/2 and more it is mild ones.
_GROWTH = 1 / 3
_SHRINK = 0.5
_LEAST_SCATTER = 1e-4
_HIDDEN = 48
_DECAY = 1.0
_ROUNDS = 200
_FOLDS = 5
_LAYERS = ("hidden", "hidden_offsets", "weights", "offsets")
_LIMITS = ("least", "furthest")
_STORED = (*_LAYERS, *_LIMITS, "known", "reason_of", "metric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namer:
    """A network of one hidden layer over the residuals, and when it has to keep silent.

    `hidden` `[H, 2 D]`, `hidden_offsets` `[H]`, `weights` `[K, H]`, `offsets` `[K]`; `least` `[K]`:
    the probability below which a reason is not said; `furthest` `[K]`: how far from the faults of
    that reason it is not said either. Those are `known` `[n, D]`, of the reasons `reason_of` `[n]`:
    a network is sure of itself also where it has never been. Distances are Euclidean behind `metric`
    `[2 D, 2 D]` and are divided by the power `growth` of a fault's length.
    """

    reasons: tuple[str, ...]
    hidden: np.ndarray
    hidden_offsets: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    least: np.ndarray
    furthest: np.ndarray
    known: np.ndarray
    reason_of: np.ndarray
    metric: np.ndarray
    growth: float
    _places: np.ndarray = field(init=False, repr=False)  # of the known faults, for every output

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", _whitened(self.known, self.metric))

    @classmethod
    def fit(cls, residuals: np.ndarray, reasons: Sequence[str], groups: Sequence[str]) -> Namer:
        """Fit residuals `[n, D]` of outputs with injected faults; `groups` are their shoots.

        Raises ValueError for fewer than two reasons.
        """
        names = tuple(sorted(set(reasons)))
        if len(names) < 2:
            raise ValueError(f"a namer needs at least 2 reasons, got {len(names)}")
        targets = np.array([names.index(reason) for reason in reasons])
        # As it is stored, so that a namer read back says exactly the same.
        known = np.clip(residuals, -_LIMIT, _LIMIT).astype(np.float16)

        def left_out(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
            layers = _fit_layers(residuals[train], targets[train], len(names))
            metric = _fit_metric(residuals[train], targets[train])
            places = _whitened(known[train], metric)
            mine = [(residuals[one], places[targets[train] == targets[one]]) for one in held_out]
            far = [_distance(one, others, metric, _GROWTH) for one, others in mine]
            return np.column_stack([_shares(layers, residuals[held_out]), far])

        found = cross_fit(groups, _FOLDS, left_out) if len(set(groups)) > 1 else None
        return cls(
            reasons=names,
            **_fit_layers(residuals, targets, len(names)),
            least=_least(found, targets, len(names)),
            furthest=_furthest(found, targets, len(names)),
            known=known,
            reason_of=targets.astype(np.int16),
            metric=_fit_metric(residuals, targets),
            growth=_GROWTH,
        )

    def name(self, residuals: np.ndarray) -> tuple[str, float]:
        """The likeliest reason for `[D]` and its probability.

        `unknown` where that is too little, or where the fault is unlike all known ones of the reason.
        """
        share = self.probabilities(residuals)
        best = int(share.argmax())
        probability = float(share[best])
        is_said = probability >= self.least[best] and self._is_like(residuals, best)
        return (self.reasons[best] if is_said else UNKNOWN), probability

    def _is_like(self, residuals: np.ndarray, reason: int) -> bool:
        mine = self._places[self.reason_of == reason]
        far = _distance(residuals, mine, self.metric, self.growth)
        return far <= self.furthest[reason]

    def probabilities(self, residuals: np.ndarray) -> np.ndarray:
        """Probability of each reason for `[D]`, `[K]`."""
        layers = {name: getattr(self, name) for name in _LAYERS}
        return _shares(layers, residuals[None])[0]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file; the reasons travel in its metadata."""
        arrays = {f"namer.{name}": getattr(self, name) for name in _STORED}
        return arrays | {"namer.growth": np.array([self.growth])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], reasons: Sequence[str]) -> Namer:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        found = {name: arrays[f"namer.{name}"] for name in _STORED}
        growth = float(arrays["namer.growth"][0])
        return cls(reasons=tuple(reasons), **found, growth=growth)


def _fit_layers(residuals: np.ndarray, targets: np.ndarray, count: int) -> dict[str, np.ndarray]:
    from sklearn.exceptions import ConvergenceWarning  # to fit alone, not to name
    from sklearn.neural_network import MLPClassifier

    model: Any = MLPClassifier(
        (_HIDDEN,), alpha=_DECAY, solver="lbfgs", max_iter=_ROUNDS, random_state=0
    )
    with warnings.catch_warnings():  # stopped early on purpose
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_features(residuals), targets)
    (hidden, weights), (hidden_offsets, offsets) = model.coefs_, model.intercepts_
    if weights.shape[1] == 1:  # of two reasons scikit-learn keeps the second
        weights = np.concatenate([0 * weights, weights], axis=1)
        offsets = np.concatenate([0 * offsets, offsets])
    # A reason that a fold has not seen is never said.
    spread_weights, spread_offsets = np.zeros((count, _HIDDEN)), np.full(count, -1e3)
    spread_weights[model.classes_], spread_offsets[model.classes_] = weights.T, offsets
    # C order, as it is read back: memory order changes the last bit of a sum.
    return {
        "hidden": np.ascontiguousarray(hidden.T),
        "hidden_offsets": np.asarray(hidden_offsets),
        "weights": spread_weights,
        "offsets": spread_offsets,
    }


def _shares(layers: Mapping[str, np.ndarray], residuals: np.ndarray) -> np.ndarray:
    """Probabilities `[n, K]` for `[n, D]`."""
    hidden = np.maximum(_features(residuals) @ layers["hidden"].T + layers["hidden_offsets"], 0)
    return softmax(hidden @ layers["weights"].T + layers["offsets"], axis=1)


def _features(residuals: np.ndarray) -> np.ndarray:
    """The residuals, cut, and their logarithms with sign: `[n, 2 D]`, each of about unit size."""
    cut = np.clip(residuals, -_LIMIT, _LIMIT)
    return np.concatenate([cut / 3, np.sign(cut) * np.log1p(np.abs(cut))], axis=1)


def _fit_metric(residuals: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """`[2 D, 2 D]` float32: makes the scatter of features within a reason round, as far as it is certain.

    The inverse root of the covariance within reasons, with correlations shrunk to half.
    """
    features = _features(residuals)
    means = np.stack([features[targets == one].mean(axis=0) for one in np.unique(targets)])
    rest = features - means[np.unique(targets, return_inverse=True)[1]]
    covariance = rest.T @ rest / len(rest)
    covariance = (1 - _SHRINK) * covariance + _SHRINK * np.diag(covariance.diagonal())
    sizes, directions = np.linalg.eigh(covariance)
    return (directions / np.sqrt(np.maximum(sizes, _LEAST_SCATTER))).astype(np.float32)


def _whitened(residuals: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """Where the features of `[n, D]` lie once the scatter within a reason is round, `[n, 2 D]`."""
    return _features(residuals.astype(np.float64)) @ metric


def _distance(
    residuals: np.ndarray, places: np.ndarray, metric: np.ndarray, growth: float
) -> float:
    """Mean distance of `[D]` to the nearest five of `[n, 2 D]`, by a power of its length; infinite without any."""
    if not len(places):
        return np.inf
    features = _features(residuals[None])
    apart = np.linalg.norm(places - features @ metric, axis=1)
    nearest = np.sort(apart)[:_NEIGHBOURS]
    return float(nearest.mean() / max(np.linalg.norm(features), 1.0) ** growth)


def _furthest(found: np.ndarray | None, targets: np.ndarray, count: int) -> np.ndarray:
    """The distance that all but 8 % of the left-out faults of each reason keep, `[K]`.

    `found` `[n, K + 1]`: the last column are the distances. Infinite where too few are known to tell.
    """
    furthest = np.full(count, np.inf)
    if found is None:
        return furthest
    for reason in range(count):
        mine = np.sort(found[targets == reason, -1])
        rank = int(_UNLIKE * (len(mine) + 1))
        if rank:
            furthest[reason] = mine[-rank]
    return furthest


def _least(found: np.ndarray | None, targets: np.ndarray, count: int) -> np.ndarray:
    """The probability that all but 2 % of the left-out faults of each reason were given, `[K]`.

    A split-conformal threshold (Vovk 2005, chapter 4); at least 40 %, below which it is a guess.
    """
    least = np.full(count, _MIN_PROBABILITY)
    if found is None:
        return least
    for reason in range(count):
        mine = np.sort(found[targets == reason, reason])
        rank = int(_UNSURE * (len(mine) + 1))
        if rank:
            least[reason] = max(_MIN_PROBABILITY, float(mine[rank - 1]))
    return least


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A column that stands out: `sigma` is what is unexpected given the photo, `words` say it."""

    column: str
    family: str
    words: str
    sigma: float

    def __str__(self) -> str:
        """Give "edges lost +4.1 σ"."""
        return f"{self.words} {'+' if self.sigma > 0 else '−'}{abs(self.sigma):.1f} σ"


def findings(residuals: np.ndarray, columns: Sequence[Column], most: int) -> tuple[Finding, ...]:
    """The `most` largest residuals of `[D]`, largest first."""
    order = np.argsort(-np.abs(residuals), kind="stable")[:most]
    return tuple(_finding(float(residuals[index]), columns[index]) for index in order)


def evidence(residuals: np.ndarray, columns: Sequence[Column], most: int = 3) -> str:
    """The largest residuals of `[D]` in words: "edges lost +4.1 σ, too dark −3.0 σ"."""
    return ", ".join(map(str, findings(residuals, columns, most)))


def _finding(residual: float, column: Column) -> Finding:
    return Finding(
        column=column.name,
        family=column.family,
        words=column.high if residual > 0 else column.low,
        sigma=residual,
    )
