"""Does correction mend, and what does it cost? A real run with outputs damaged behind the network.

    PYTHONPATH=. python tests/benchmarks/correct.py --photos DIR [--faults 0.05] [--out RUN]

Stylizes the photos, damages a share of the delivered files with the project's fault injector (the
clean twin is kept), then scores and corrects as a nightly run does. Prints per kind how many were
flagged, corrected and quarantined, and the distance to the clean twin, RMS of the difference of
pixel values in 0..255, which neither scorer nor ladder ever sees. Success: that distance fell by 30 %
or more. Harm: it rose, or an untouched output was replaced. Then what each strategy came to, and
the CPU time of correction over that of stylizing: with `--faults 0.05 --as-large` as in a large run
that went well.
Every stage runs in this process, on one thread. `strategies.py` compares strategies and policies.
"""

import argparse
import importlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import cycle
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from PIL import Image
from upath import UPath

from ganst.models.stylepack import load_stylepack
from ganst.scoring.faults import FAULTS, Case
from pipelines import correction_budget
from pipelines.attempts import read_attempts
from pipelines.config import ComputeConfig, RunConfig
from pipelines.correct import correct
from pipelines.images import decode, encode
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run, open_run
from pipelines.score import score
from pipelines.styles import find_style
from pipelines.stylize import stylize

_SERIAL = ComputeConfig(workers=0)
_RIGHTLY_STOPPED = 0.3  # of a run; with more faults the stage would refuse to start


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="photos that nothing was fitted on")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--severity", type=float, default=4.0)
    parser.add_argument("--faults", type=float, default=0.75, help="share of outputs to damage")
    parser.add_argument(
        "--as-large",
        action="store_true",
        help="no smallest budget: the share alone, as in a large run",
    )
    parser.add_argument("--kinds", nargs="+", default=list(FAULTS), help="of faults")
    parser.add_argument("--out", help="RUN folder to keep and look at")
    arguments = parser.parse_args()
    if arguments.as_large:
        correction_budget.SMALLEST_BUDGET = 0.0
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or f"{folder}/run"
        pack = load_stylepack(find_style(arguments.style, None))
        run = open_run(RunConfig(photos=arguments.photos, style=arguments.style, out=out), pack)
        results, cost = measure(run, arguments.severity, arguments.faults, arguments.kinds)
        tries = read_attempts(run.folder).to_pandas()
    print(
        f"style {pack.name} {pack.digest[:12]}, {len(results)} outputs, severity {arguments.severity:g}"
    )
    for kind, rows in [*results.groupby("kind", sort=False), ("all damaged", _damaged(results))]:
        print(f"  {kind:12} {_line(rows)}")
    clean = results[results.kind == "untouched"]
    print(
        f"  harm: {(clean.status == 'corrected').sum()} of {len(clean)} untouched outputs replaced"
    )
    for strategy, rows in tries[tries.strategy.notna()].groupby("strategy"):
        print(f"  {strategy:20} {(rows.decision == 'accepted').sum():3} of {len(rows):3} accepted")
    print(f"  correcting took {cost:.0%} of the CPU time of stylizing all of them")


def _damaged(results: pd.DataFrame) -> pd.DataFrame:
    return results[results.kind != "untouched"]


def measure(
    run: Run, severity: float, share: float, wanted: Sequence[str]
) -> tuple[pd.DataFrame, float]:
    """Columns kind, source, was_flagged, status, before, after (distances to the clean twin); cost."""
    ingest(run, _SERIAL)
    importlib.import_module("scipy.stats")  # a second that a large run does not notice
    stylize_s = _cpu_s(lambda: stylize(run, _SERIAL))
    names = {row.source: row.output for row in _table(run.folder.catalog) if row.status == "ok"}
    kinds = choose_kinds(sorted(names), share, wanted)
    clean = {source: _pixels(run.folder.images(output)) for source, output in names.items()}
    for source, kind in kinds.items():
        if kind != "untouched":
            _damage(run, source, kind, names, severity)
    before = {s: _distance(clean[s], _pixels(run.folder.images(o))) for s, o in names.items()}
    score(run, _SERIAL)
    # So many faults would rightly stop it; here they were put in on purpose.
    with (
        patch("pipelines.correct.systemic_fault", lambda _: None)
        if share > _RIGHTLY_STOPPED
        else nullcontext()
    ):
        correct_s = _cpu_s(lambda: correct(run, _SERIAL))
    write_report(run, ())
    rows = [
        {
            "kind": kinds[row.source],
            "source": row.source,
            "was_flagged": row.was_flagged,
            "status": row.status,
            "before": before[row.source],
            "after": _distance(clean[row.source], _pixels(run.folder.root / row.output)),
        }
        for row in _table(run.folder.report)
        if row.source in names
    ]
    return pd.DataFrame(rows).sort_values("kind"), correct_s / stylize_s


def choose_kinds(sources: list[str], share: float, wanted: Sequence[str]) -> dict[str, str]:
    """A kind of fault for so many of the sources, spread evenly, and "untouched" for the rest."""
    num = round(share * len(sources))
    damaged = {round((k + 0.5) * len(sources) / num) % len(sources) for k in range(num)}
    kinds = cycle(wanted)
    return {s: next(kinds) if i in damaged else "untouched" for i, s in enumerate(sources)}


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _damage(run: Run, source: str, kind: str, names: dict[str, str], severity: float) -> None:
    path = run.folder.images(names[source])
    others = sorted(set(names) - {source})
    donor = names[random.Random(source).choice(others)]
    case = Case(
        source=_open(run.photos / source),
        output=_open(path),
        donor=_open(run.folder.images(donor)),
        generator=torch.Generator().manual_seed(len(source)),
    )
    path.write_bytes(encode(FAULTS[kind](case, severity), format="jpeg", quality=95))


def _open(path: UPath) -> torch.Tensor:
    return decode(path.read_bytes(), max_pixels=10**9).pixels


def _line(rows: pd.DataFrame) -> str:
    counts = rows.status.value_counts()
    words = [f"{count} {status}" for status, count in counts.items()]
    text = f"{len(rows):3}: {rows.was_flagged.sum():3} flagged, then {', '.join(words)}"
    mended = rows[rows.status == "corrected"]
    if mended.empty:
        return text
    success = (mended.after <= 0.7 * mended.before).mean()
    worse = (mended.after > mended.before).sum()
    distances = f"{mended.before.median():.1f} -> {mended.after.median():.1f}"
    return f"{text}; corrected: twin distance {distances} (medians), {success:.0%} fell by 30 %, {worse} rose"


def _table(path: UPath) -> list:
    return list(pd.read_parquet(str(path)).itertuples())


def _pixels(path: UPath) -> np.ndarray:
    with Image.open(str(path)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).mean())) if a.shape == b.shape else float("nan")


if __name__ == "__main__":
    main()
