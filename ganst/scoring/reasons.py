"""Words for what went wrong: a small classifier that may say "unknown", and the columns themselves.

Detection never looks at faults; naming does. The column with the largest residual names the fault
in only a third of the cases, a small network over all of them in nineteen of twenty.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
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
_UNSURE = 0.05
_HIDDEN = 48
_DECAY = 1.0
_ROUNDS = 200
_FOLDS = 5
_LAYERS = ("hidden", "hidden_offsets", "weights", "offsets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namer:
    """A network of one hidden layer over the residuals, and how sure it has to be of each reason.

    `hidden` `[H, 2 D]`, `hidden_offsets` `[H]`, `weights` `[K, H]`, `offsets` `[K]`; `least` `[K]`:
    the probability below which a reason is not said.
    """

    reasons: tuple[str, ...]
    hidden: np.ndarray
    hidden_offsets: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    least: np.ndarray

    @classmethod
    def fit(cls, residuals: np.ndarray, reasons: Sequence[str], groups: Sequence[str]) -> Namer:
        """Fit residuals `[n, D]` of outputs with injected faults; `groups` are their shoots.

        Raises ValueError for fewer than two reasons.
        """
        names = tuple(sorted(set(reasons)))
        if len(names) < 2:
            raise ValueError(f"a namer needs at least 2 reasons, got {len(names)}")
        targets = np.array([names.index(reason) for reason in reasons])

        def left_out(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
            layers = _fit_layers(residuals[train], targets[train], len(names))
            return _shares(layers, residuals[held_out])

        found = cross_fit(groups, _FOLDS, left_out) if len(set(groups)) > 1 else None
        layers = _fit_layers(residuals, targets, len(names))
        return cls(reasons=names, **layers, least=_least(found, targets, len(names)))

    def name(self, residuals: np.ndarray) -> tuple[str, float]:
        """The likeliest reason for `[D]` and its probability, or `unknown` where that is too little."""
        share = self.probabilities(residuals)
        best = int(share.argmax())
        probability = float(share[best])
        return (self.reasons[best] if probability >= self.least[best] else UNKNOWN), probability

    def probabilities(self, residuals: np.ndarray) -> np.ndarray:
        """Probability of each reason for `[D]`, `[K]`."""
        layers = {name: getattr(self, name) for name in _LAYERS}
        return _shares(layers, residuals[None])[0]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file; the reasons travel in its metadata."""
        return {f"namer.{name}": getattr(self, name) for name in (*_LAYERS, "least")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], reasons: Sequence[str]) -> Namer:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        found = {name: arrays[f"namer.{name}"] for name in (*_LAYERS, "least")}
        return cls(reasons=tuple(reasons), **found)


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


def _least(shares: np.ndarray | None, targets: np.ndarray, count: int) -> np.ndarray:
    """The probability that all but 5 % of the left-out faults of each reason were given, `[K]`.

    A split-conformal threshold (Vovk 2005, chapter 4); at least 40 %, below which it is a guess.
    """
    least = np.full(count, _MIN_PROBABILITY)
    if shares is None:
        return least
    for reason in range(count):
        mine = np.sort(shares[targets == reason, reason])
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
