"""Three pictures: ROC of mild faults, calibration of p, share flagged by severity."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from tests.benchmarks.scoring.tables import MILD, SHIPPED, Results

_SIZES = {"roc": (6, 5), "calibration": (8, 5), "severity": (9, 6)}  # inches
_CLEAR = 0.95  # flagged at every severity: not drawn each on its own


def draw(results: Results, folder: Path, style: str) -> list[Path]:
    """Write `scores_roc_STYLE.png`, `scores_calibration_...` and `scores_severity_...`."""
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _save(kind, part, results, folder / f"scores_{kind}_{style}.png")
        for kind, part in (("roc", _roc), ("calibration", _calibration), ("severity", _severity))
    ]


def _save(kind: str, part, results: Results, path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZES[kind], layout="constrained")
    part(results, figure.add_subplot())
    figure.savefig(path, dpi=100)
    return path


def _drawn(results: Results, name: str) -> dict[str, Any]:
    """The shipped one thick; there are more detectors than colours."""
    index = list(results.scored).index(name)
    return {
        "label": name,
        "linewidth": 2.5 if name == SHIPPED else 1,
        "linestyle": ("-", "--")[index // 10],
    }


def _roc(results: Results, axes) -> None:
    """All kinds at severity 2 together, every kind with the same weight by having the same rows."""
    clean = results.is_clean()
    faulty = np.any([mask for _, mask in results.faults(MILD)], axis=0)
    for name in results.scored:
        scores = results.scores(name)
        cuts = np.sort(scores)[::-1]
        x = (scores[clean][None, :] >= cuts[:, None]).mean(axis=1)
        y = (scores[faulty][None, :] >= cuts[:, None]).mean(axis=1)
        axes.plot(x, y, **_drawn(results, name))
    axes.set(xlabel="share of clean outputs flagged", ylabel="share of mild faults flagged")
    axes.legend(fontsize=8, loc="lower right")


def _calibration(results: Results, axes) -> None:
    clean = results.is_clean()
    for name in results.scored:
        p = np.sort(results.p(name)[clean])
        axes.step(p, np.arange(1, len(p) + 1) / len(p), where="post", **_drawn(results, name))
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    axes.set(xlabel="nominal level", ylabel="share of clean outputs at or below it")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def _severity(results: Results, axes) -> None:
    rows = results.rows.assign(low=results.p(SHIPPED) <= 0.05)
    clean = rows[rows["group"] == "clean"]["low"].mean()
    kinds = rows[rows["group"] == "fault"].groupby("kind", sort=False)
    shares = {kind: part.groupby("severity")["low"].mean() for kind, part in kinds}
    clear = [kind for kind, share in shares.items() if share.min() >= _CLEAR]
    for kind in clear:
        axes.plot([0, *shares[kind].index], [clean, *shares[kind]], color="0.8", zorder=1)
    axes.plot([], [], color="0.8", label=f"{len(clear)} other kinds, {_CLEAR:.0%} at least")
    for index, kind in enumerate(kind for kind in shares if kind not in clear):
        style = ("-", "--")[index // 10 % 2]
        axes.plot([0, *shares[kind].index], [clean, *shares[kind]], style, marker=".", label=kind)
    axes.set(xlabel="severity (0: untouched)", ylabel="share with p <= 5 %", ylim=(-0.02, 1.02))
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
