"""The detector and what it is compared with: all fitted to the same normal outputs.

A detector is a function of two tables, what it is fitted to and what it scores; it returns `[n]`,
positive, higher = more anomalous. Those that lack a package or its arrays are left out by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from ganst.scoring.calibration import JUDGED, SOURCE_NAMES
from ganst.scoring.conformal import cross_fit, p_value, unusual_per_unit
from ganst.scoring.detector import Detector
from ganst.scoring.fitting import FLOORS
from pipelines.calibrate import shoots
from tests.benchmarks.scoring.cases import Table

Scorer = Callable[[Table, Table], np.ndarray]
_FOLDS = 5
_BANK = 1000  # patches kept of the sampled ones; the paper keeps 1 % to 10 %
_PROJECTED = 48


class NotInstalledError(RuntimeError):
    """A baseline's package is absent, or the rows were measured without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """`scores` `[n]` of the tested rows and `reference`, sorted: one of each left-out normal photo."""

    scores: np.ndarray
    reference: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Conformal p-values, `[n]`."""
        pairs = enumerate(self.scores.tolist())
        return np.array([p_value(score, self.reference, str(index)) for index, score in pairs])


def run(scorer: Scorer, normal: Table, tested: Table) -> Scored:
    """Scores by a fit on all normal rows, reference scores cross-fitted by shoot."""
    photos = list(normal.rows["photo"])
    groups = shoots(sorted(set(photos)))

    def left_out(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        return scorer(_at(normal, train), _at(normal, held_out))

    reference = cross_fit([groups[photo] for photo in photos], _FOLDS, left_out)
    return Scored(
        scores=scorer(normal, tested), reference=unusual_per_unit(np.maximum(reference, 0), photos)
    )


def conditional(drop: Sequence[str] = (), *, is_conditioned: bool = True) -> Scorer:
    """Our detector, without the judged columns `drop`, or without looking at the source."""
    keep = np.array([column.name not in drop for column in JUDGED])
    names = [column.name for column in JUDGED if column.name not in drop]
    floors = replace(FLOORS, outputs=FLOORS.outputs[keep], signs=FLOORS.signs[keep])

    def score(train: Table, tested: Table) -> np.ndarray:
        sources, unseen = (_columns(t, SOURCE_NAMES) * is_conditioned for t in (train, tested))
        detector = Detector.fit(sources, _columns(train, names), floors)
        return detector.distance(detector.residuals(unseen, _columns(tested, names)))

    return score


def largest_z(train: Table, tested: Table) -> np.ndarray:
    """Largest robust z of any column."""
    rows, unseen = _judged(train), _judged(tested)
    middle = np.median(rows, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(rows - middle), axis=0), FLOORS.outputs)
    return np.abs((unseen - middle) / spread).max(axis=1)


def by_pyod(name: str) -> Scorer:
    """A detector of pyod on the same judged columns."""

    def score(train: Table, tested: Table) -> np.ndarray:
        model = _pyod(name)
        model.fit(_judged(train))
        return np.exp(model.decision_function(_judged(tested)) / len(JUDGED))

    return score


def two_sided(column: str) -> Scorer:
    """Distance of one number from its median among normal outputs."""

    def score(train: Table, tested: Table) -> np.ndarray:
        _require(column in train.rows, column)
        return np.abs(_columns(tested, [column]) - np.median(_columns(train, [column])))[:, 0]

    return score


def colour_moments(train: Table, tested: Table) -> np.ndarray:
    """Mahalanobis distance of the means and standard deviations of R, G and B."""
    names = [f"rgb_{index}" for index in range(6)]
    rows, unseen = _columns(train, names), _columns(tested, names)
    model: Any = LedoitWolf().fit(rows)
    return model.mahalanobis(unseen)


def nearest_pooled(train: Table, tested: Table) -> np.ndarray:
    """Mean distance to the 5 nearest pooled network features, each standardised."""
    rows, unseen = (_array(table, "pooled") for table in (train, tested))
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    index = NearestNeighbors(n_neighbors=5, algorithm="brute").fit((rows - middle) / spread)
    return index.kneighbors((unseen - middle) / spread)[0].mean(axis=1)


def patch_core(train: Table, tested: Table) -> np.ndarray:
    """PatchCore (arXiv:2106.08265): the patch furthest from a greedy coreset of normal patches."""
    patches = _array(train, "patches")
    bank = patches.reshape(-1, patches.shape[-1]).astype(np.float32)
    bank = bank[np.random.default_rng(0).permutation(len(bank))[: 8 * _BANK]]
    spread = bank.std(axis=0) + 1e-6
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(
        bank[_coreset(bank / spread)] / spread
    )
    unseen = _array(tested, "patches").astype(np.float32) / spread
    nearest = index.kneighbors(unseen.reshape(-1, unseen.shape[-1]))[0]
    return nearest.reshape(len(unseen), -1).max(axis=1)


OURS = "conditional Mahalanobis"
DETECTORS: dict[str, Scorer] = {
    OURS: conditional(),
    "same, source unseen": conditional(is_conditioned=False),
    "max |z| of columns": largest_z,
    "ECOD (pyod)": by_pyod("ECOD"),
    "IForest (pyod)": by_pyod("IForest"),
    "SSIM": two_sided("ssim"),
    "feature distance": two_sided("feature_distance"),
    "RGB mean and std": colour_moments,
    "k-NN on features": nearest_pooled,
    "PatchCore": patch_core,
}


def _coreset(rows: np.ndarray) -> np.ndarray:
    """Greedy k-centres in a random projection: indices `[_BANK]` at most."""
    rng = np.random.default_rng(0)
    low = rows @ rng.normal(size=(rows.shape[1], _PROJECTED)).astype(np.float32)
    chosen = [0]
    nearest = np.full(len(low), np.inf, np.float32)
    for _ in range(min(_BANK, len(low)) - 1):
        nearest = np.minimum(nearest, ((low - low[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def _pyod(name: str) -> Any:  # noqa: ANN401  (the package has no types)
    try:
        from pyod.models.ecod import ECOD  # pyrefly: ignore[missing-import]
        from pyod.models.iforest import IForest  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise NotInstalledError("pyod") from error
    return ECOD() if name == "ECOD" else IForest(random_state=0)


def _judged(table: Table) -> np.ndarray:
    return _columns(table, [column.name for column in JUDGED])


def _columns(table: Table, names: Sequence[str]) -> np.ndarray:
    return table.rows[list(names)].to_numpy(np.float64)


def _array(table: Table, name: str) -> np.ndarray:
    _require(name in table.arrays, name)
    return table.arrays[name]


def _require(known: object, what: str) -> None:
    if not known:
        raise NotInstalledError(f"{what} was not measured")


def _at(table: Table, index: np.ndarray) -> Table:
    mask = np.zeros(len(table.rows), dtype=bool)
    mask[index] = True
    return table.pick(mask)
