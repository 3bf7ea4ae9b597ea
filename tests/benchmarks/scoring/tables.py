"""The tables that the benchmark prints, and the numbers its plots show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ganst.scoring.faults import FAULTS
from tests.benchmarks.scoring import metrics
from tests.benchmarks.scoring.cases import REASONS, UNGRADED
from tests.benchmarks.scoring.detectors import OURS, Scored

MILD, STRONG = 2.0, 4.0
_DRAWS = 500
ALPHAS = (0.01, 0.05)
SHIPPED = "shipped calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Tested rows, what every detector made of them, and the reasons that the shipped one gave."""

    rows: pd.DataFrame
    scored: Mapping[str, Scored]
    shipped_p: np.ndarray
    p_source: np.ndarray
    reasons: np.ndarray

    def p(self, detector: str) -> np.ndarray:
        """p-values of a detector, `[n]`."""
        return self.shipped_p if detector == SHIPPED else self.scored[detector].p

    def scores(self, detector: str) -> np.ndarray:
        """Scores of a detector, `[n]`."""
        return self.scored[detector].scores

    def is_clean(self) -> np.ndarray:
        """Untouched outputs, `[n]`."""
        return (self.rows["group"] == "clean").to_numpy()

    def faults(self, severity: float, group: str = "fault") -> list[tuple[str, np.ndarray]]:
        """Kinds of a group and their rows at one severity."""
        graded = (self.rows["group"] == group) & (self.rows["severity"] == severity)
        return [
            (str(kind), (graded & (self.rows["kind"] == kind)).to_numpy())
            for kind in dict.fromkeys(self.rows["kind"][graded])
        ]


def by_kind(
    results: Results, severity: float, group: str = "fault", detector: str = SHIPPED
) -> pd.DataFrame:
    """One line a kind of a group at one severity."""
    scores, p, clean = results.scores(detector), results.p(detector), results.is_clean()
    lines = []
    for kind, mask in results.faults(severity, group):
        line = {
            "kind": kind,
            "severity": severity,
            "AUROC": metrics.auroc(scores[clean], scores[mask]),
            "AP": metrics.average_precision(scores[clean], scores[mask]),
            "FPR@95TPR": metrics.false_alarms_at_recall(scores[clean], scores[mask]),
        }
        line |= {f"TPR@{alpha:.0%}": (p[mask] <= alpha).mean() for alpha in ALPHAS}
        right = np.isin(results.reasons[mask], REASONS.get(kind, ()))
        line["reason"] = right.mean() if kind in REASONS else np.nan
        lines.append(line)
    return pd.DataFrame(lines)


def by_detector(results: Results, group: str = "fault", seed: int = 0) -> pd.DataFrame:
    """One line a detector: macro AUROC mild and strong with 95 % intervals, and its false alarms."""
    photos = results.rows["photo"].to_numpy()
    clean = results.is_clean()
    draws = metrics.Draws.of(photos[clean], _DRAWS, np.random.default_rng(seed))
    lines = []
    for name in results.scored:
        scores, p = results.scores(name), results.p(name)
        line: dict[str, object] = {"detector": name}
        for label, severity in (("mild", MILD), ("strong", STRONG)):
            found = [mask for _, mask in results.faults(severity, group)]
            line[label] = np.mean([metrics.auroc(scores[clean], scores[m]) for m in found])
            drawn = [draws.auroc(scores[clean], photos[clean], scores[m], photos[m]) for m in found]
            line[f"{label} 95 %"] = _interval(np.mean(drawn, axis=0))
            worst = [metrics.auroc(scores[clean], scores[m]) for m in found]
            line[f"worst {label}"] = min(worst, default=np.nan)
        line |= {f"FPR@{alpha:.0%}": (p[clean] <= alpha).mean() for alpha in ALPHAS}
        lines.append(line)
    return pd.DataFrame(lines)


def by_teaching(results: Results) -> pd.DataFrame:
    """Means over the kinds that calibrations are taught, and over those that they have never seen."""
    found = pd.concat(
        by_kind(results, severity, group).assign(kinds=lambda rows, g=group: _taught(rows, g))
        for group in ("fault", "unlisted")
        for severity in (MILD, STRONG)
        if results.faults(severity, group)
    )
    shown = ["AUROC", *(f"TPR@{alpha:.0%}" for alpha in ALPHAS)]
    return found.groupby(["kinds", "severity"], sort=False)[shown].mean().reset_index()


def summary(results: Results, seed: int = 0) -> list[str]:
    """Each target beside what was reached, in one line each."""
    photos, clean = results.rows["photo"].to_numpy(), results.is_clean()
    p, scores = results.p(SHIPPED), results.scores(SHIPPED)
    draws = metrics.Draws.of(photos[clean], _DRAWS, np.random.default_rng(seed))
    lines = []
    for alpha, limit in ((0.05, 0.065), (0.01, 0.015)):
        low = p <= alpha
        rate, ends = low[clean].mean(), _interval(draws.share(low[clean], photos[clean]))
        lines.append(f"false alarms at {alpha:.0%}: {rate:.1%} {ends} (target {limit:.1%})")
    benign = (results.rows["group"] == "benign").to_numpy()
    for alpha in ALPHAS:
        rate = (p[benign] <= alpha).mean()
        lines.append(f"benign flagged at {alpha:.0%}: {rate:.1%} (target 5 %)")
    strong = np.any([mask for _, mask in results.faults(STRONG)], axis=0)
    lines.append(f"strong faults flagged at 1 %: {(p[strong] <= 0.01).mean():.1%} (target 92 %)")
    draws_of = pd.Series(p <= 0.01)[strong].groupby(results.rows["seed"][strong].to_numpy()).mean()
    if len(draws_of) > 1:
        lines.append(
            f"by draw, {len(draws_of)} of them: {draws_of.min():.1%} to {draws_of.max():.1%}"
        )
    for label, severity, target in (("mild", MILD, 0.9), ("strong", STRONG, 0.97)):
        lines.append(
            f"reason right, {label}: {_reasons_right(results, severity)} (target {target:.0%})"
        )
    lines.append(f"clean p against uniform (KS): {metrics.spread_from_uniform(p[clean]):.3f}")
    lines.append(
        f"severity against score (Spearman): {_monotony(results, scores):.3f} (target 0.8)"
    )
    others = [name for name in results.scored if name not in (OURS, SHIPPED, _UNSEEN)]
    table = by_detector(results, seed=seed).set_index("detector")["mild"]
    lines.append(
        f"mild AUROC over the best baseline: {table[SHIPPED] - table[others].max():+.3f} (target +0.10)"
    )
    return lines


def benign_lines(results: Results) -> pd.DataFrame:
    """Share flagged of each benign kind."""
    rows = results.rows.assign(**{f"p<={a:.0%}": results.p(SHIPPED) <= a for a in ALPHAS})
    rows = rows[rows["group"].isin(["clean", "benign"])]
    return rows.groupby("kind", sort=False)[[f"p<={a:.0%}" for a in ALPHAS]].mean().reset_index()


_UNSEEN = "same, source unseen"


def _taught(rows: pd.DataFrame, group: str) -> pd.Series:
    others = "unlisted" if group == "unlisted" else "listed, not taught"
    return rows["kind"].isin(list(FAULTS)).map({True: "taught", False: others})


def _reasons_right(results: Results, severity: float) -> str:
    """Of flagged outputs with a kind that the namer was taught, and with one that it was not."""
    flagged = results.p(SHIPPED) <= 0.05
    shares = []
    for taught in (True, False):
        hits = [
            np.isin(results.reasons[mask & flagged], REASONS[kind])
            for kind, mask in results.faults(severity)
            if kind in REASONS and (kind in FAULTS) == taught
        ]
        shares.append(np.concatenate(hits).mean() if hits else np.nan)
    return f"{shares[0]:.1%} of taught kinds, {shares[1]:.1%} of others"


def _monotony(results: Results, scores: np.ndarray) -> float:
    """Mean rank correlation of severity (0: clean) and score over photos and graded kinds."""
    rows = results.rows.assign(score=scores)
    clean = rows[rows["group"] == "clean"].set_index("photo")["score"]
    found = []
    faulty = rows[(rows["group"] == "fault") & ~rows["kind"].isin(UNGRADED)]
    for (photo, _, _), part in faulty.groupby(["photo", "seed", "kind"]):
        start = float(clean.loc[photo])
        found.append(spearmanr([0, *part["severity"]], [start, *part["score"]]).statistic)
    return float(np.nanmean(found))


def _interval(draws: np.ndarray) -> str:
    low, high = metrics.interval(draws)
    return f"[{low:.3f}, {high:.3f}]"
