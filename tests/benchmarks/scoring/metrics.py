"""What is counted: ranking, operating points, and how far photos drawn again would move them.

Letters: P photos; C clean rows; F faulty rows of one kind and severity; B bootstrap draws.
"""

from dataclasses import dataclass

import numpy as np

PREVALENCE = 0.05


def auroc(clean: np.ndarray, faulty: np.ndarray) -> float:
    """Chance that a faulty score exceeds a clean one, ties half."""
    return float(_wins(clean, faulty).mean())


def average_precision(clean: np.ndarray, faulty: np.ndarray) -> float:
    """Area under precision and recall if 5 % of all images were faulty."""
    cuts = np.sort(faulty)[::-1]
    recall = _share_at_least(faulty, cuts)
    hits = PREVALENCE * recall
    precision = hits / (hits + (1 - PREVALENCE) * _share_at_least(clean, cuts))
    return float(precision.mean())


def false_alarms_at_recall(clean: np.ndarray, faulty: np.ndarray, recall: float = 0.95) -> float:
    """Share of clean scores above the threshold that `recall` of the faulty ones reach."""
    threshold = np.sort(faulty)[int(np.floor((1 - recall) * len(faulty)))]
    return float((clean >= threshold).mean())


def spread_from_uniform(p: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of p-values of clean rows from the uniform distribution."""
    ordered = np.sort(p)
    steps = np.arange(len(p) + 1) / len(p)
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Photos drawn with replacement: `weights` `[B, P]` are how often each was, by `names` `[P]`."""

    names: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, photos: np.ndarray, count: int, rng: np.random.Generator) -> "Draws":
        """Draw as many photos as there are, `count` times."""
        names = np.unique(photos)
        weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
        return cls(names=names, weights=weights.astype(float))

    def of_rows(self, photos: np.ndarray) -> np.ndarray:
        """Weight of each row, `[B, n]`."""
        return self.weights[:, np.searchsorted(self.names, photos)]

    def auroc(
        self, clean: np.ndarray, of_clean: np.ndarray, faulty: np.ndarray, of_faulty: np.ndarray
    ) -> np.ndarray:
        """AUROC of every draw, `[B]`; `of_...` are the photos of the rows."""
        a, b = self.of_rows(of_clean), self.of_rows(of_faulty)
        total = np.einsum("bc,bf,cf->b", a, b, _wins(clean, faulty), optimize=True)
        return total / np.maximum(a.sum(axis=1) * b.sum(axis=1), 1)

    def share(self, hits: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Share of rows with `hits`, of every draw `[B]`."""
        weights = self.of_rows(photos)
        return weights @ hits.astype(float) / np.maximum(weights.sum(axis=1), 1)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of bootstrap draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _wins(clean: np.ndarray, faulty: np.ndarray) -> np.ndarray:
    above = faulty[None, :] > clean[:, None]
    return above + 0.5 * (faulty[None, :] == clean[:, None])


def _share_at_least(scores: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return (scores[None, :] >= cuts[:, None]).mean(axis=1)
