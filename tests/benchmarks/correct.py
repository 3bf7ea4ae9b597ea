"""Does correction mend? Real photos, a real style, outputs damaged between stylize and score.

    python tests/benchmarks/correct.py --photos DIR [--style vangogh] [--out RUN]

Stylizes the photos, damages two of three delivered files with the faults of scores.py (the clean
twin is kept), then scores and corrects as a nightly run does. Prints per kind how many were flagged,
corrected and quarantined, and the distance to the clean twin, RMS of the difference of pixel values
in 0..255, which neither scorer nor ladder ever sees. Success: that distance fell by 30 % or more.
"""

import argparse
import io
import random
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scores import FAULTS  # pyrefly: ignore[missing-import] the script beside this one
from upath import UPath

from ganst.models.stylepack import load_stylepack
from pipelines.config import ComputeConfig, RunConfig
from pipelines.correct import correct
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run, open_run
from pipelines.score import score
from pipelines.styles import find_style
from pipelines.stylize import stylize

_KINDS = (*FAULTS, "untouched", "untouched", "untouched")


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="photos that nothing was fitted on")
    parser.add_argument("--style", default="vangogh")
    parser.add_argument("--out", help="RUN folder to keep and look at")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or f"{folder}/run"
        pack = load_stylepack(find_style(arguments.style, None))
        run = open_run(RunConfig(photos=arguments.photos, style=arguments.style, out=out), pack)
        results = measure(run)
    print(f"style {pack.name} {pack.digest[:12]}, {len(results)} outputs")
    for kind, rows in results.groupby("kind", sort=False):
        print(f"  {kind:10} {_line(rows)}")


def measure(run: Run) -> pd.DataFrame:
    """Columns kind, source, was_flagged, status, before, after (distances to the clean twin)."""
    compute = ComputeConfig()
    ingest(run, compute)
    stylize(run, compute)
    names = {row.source: row.output for row in _table(run.folder.catalog) if row.status == "ok"}
    kinds = {source: _KINDS[i % len(_KINDS)] for i, source in enumerate(sorted(names))}
    clean = {source: _pixels(run.folder.images(output)) for source, output in names.items()}
    for source, kind in kinds.items():
        if kind != "untouched":
            _damage(run, source, kind, names)
    before = {s: _distance(clean[s], _pixels(run.folder.images(o))) for s, o in names.items()}
    score(run, compute)
    correct(run, compute)
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
    return pd.DataFrame(rows).sort_values("kind")


def _damage(run: Run, source: str, kind: str, names: dict[str, str]) -> None:
    path = Path(str(run.folder.images(names[source])))
    others = sorted(set(names) - {source})
    rng = random.Random(source)
    with Image.open(str(run.photos / source)) as photo, Image.open(path) as output:
        other = Image.open(str(run.folder.images(names[rng.choice(others)]))).convert("RGB")
        buffer = io.BytesIO()
        fault = FAULTS[kind](photo.convert("RGB"), output.convert("RGB"), other, rng)
        fault.save(buffer, "JPEG", quality=95, subsampling=0)
    path.write_bytes(buffer.getvalue())


def _line(rows: pd.DataFrame) -> str:
    counts = rows.status.value_counts()
    words = [f"{count} {status}" for status, count in counts.items()]
    text = f"{len(rows):3}: {rows.was_flagged.sum():3} flagged, then {', '.join(words)}"
    mended = rows[rows.status == "corrected"]
    if mended.empty:
        return text
    success = (mended.after <= 0.7 * mended.before).mean()
    distances = f"{mended.before.median():.1f} -> {mended.after.median():.1f}"
    return f"{text}; corrected: twin distance {distances} (medians), {success:.0%} fell by 30 %"


def _table(path: UPath) -> list:
    return list(pd.read_parquet(str(path)).itertuples())


def _pixels(path: UPath) -> np.ndarray:
    with Image.open(str(path)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).mean())) if a.shape == b.shape else float("nan")


if __name__ == "__main__":
    main()
