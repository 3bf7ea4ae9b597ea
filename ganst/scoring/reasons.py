"""Words for what went wrong: a small classifier that may say "unknown", and the columns themselves.

Detection never looks at faults; naming does. The column with the largest residual names the fault
in only a third of the cases, a logistic model over all of them in nine of ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganst.scoring.columns import Column

UNKNOWN = "unknown"
_LIMIT = 6.0  # residuals beyond 6 sigma say no more about the kind of fault
_MIN_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Namer:
    """Multinomial logistic regression on clipped residuals: `weights` `[K, D]`, `offsets` `[K]`."""

    reasons: tuple[str, ...]
    weights: np.ndarray
    offsets: np.ndarray

    @classmethod
    def fit(cls, residuals: np.ndarray, reasons: Sequence[str]) -> Namer:
        """Fit residuals `[n, D]` of outputs with injected faults."""
        model: Any = LogisticRegression(C=0.03, max_iter=2000)
        model.fit(np.clip(residuals, -_LIMIT, _LIMIT), np.asarray(reasons))
        return cls(
            reasons=tuple(str(name) for name in model.classes_),
            # C order, as it is read back: memory order changes the last bit of a sum.
            weights=np.ascontiguousarray(model.coef_),
            offsets=np.asarray(model.intercept_),
        )

    def name(self, residuals: np.ndarray) -> tuple[str, float]:
        """The likeliest reason for `[D]` and its probability, or `unknown` below one half."""
        share = self.probabilities(residuals)
        best = int(share.argmax())
        probability = float(share[best])
        return (self.reasons[best] if probability >= _MIN_PROBABILITY else UNKNOWN), probability

    def probabilities(self, residuals: np.ndarray) -> np.ndarray:
        """Probability of each reason for `[D]`, `[K]`."""
        return softmax(self.weights @ np.clip(residuals, -_LIMIT, _LIMIT) + self.offsets)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Name every array, for a safetensors file; the reasons travel in its metadata."""
        return {"namer.weights": self.weights, "namer.offsets": self.offsets}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], reasons: Sequence[str]) -> Namer:
        """Undo `to_arrays`. Raises KeyError naming a missing array."""
        return cls(
            reasons=tuple(reasons),
            weights=arrays["namer.weights"],
            offsets=arrays["namer.offsets"],
        )


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
