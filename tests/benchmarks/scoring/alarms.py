"""Does a run's alarm say what has happened to all of its images? Runs are drawn from the tested rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ganst.scoring.run_alarm import run_alarm
from tests.benchmarks.scoring.cases import MODEL_KINDS
from tests.benchmarks.scoring.tables import Results

SIZES = (8, 12, 20)
_DRAWS = 400
_WHOLE_RUNS = (*MODEL_KINDS, "wrong_style")
_STOPPED, _OTHER_PHOTOS = ("outputs", "both"), ("sources", "both")


def by_run(results: Results, seed: int = 0) -> pd.DataFrame:
    """Of runs in which all images are of one kind: the share that is stopped, that says "other photos".

    One line for each fault of a network, at each severity, and for each harmless kind. The 8, 12 or 20
    photos of a run are drawn without replacement, each a group of its own; NaN where fewer were tested.
    """
    rows = results.rows
    random = np.random.default_rng(seed)
    of_networks = (rows["group"] == "fault") & rows["kind"].isin(_WHOLE_RUNS)
    chosen = (of_networks | rows["group"].isin(["clean", "benign"])) & (rows["seed"] == 0)
    lines = []
    for kind, severity in rows.loc[chosen, ["kind", "severity"]].drop_duplicates().to_numpy():
        mask = (chosen & (rows["kind"] == kind) & (rows["severity"] == severity)).to_numpy()
        line: dict[str, object] = {"all images": kind, "severity": severity}
        for size in SIZES:
            states = _states(results.p_source[mask], results.shipped_p[mask], size, random)
            line[f"stopped, {size}"] = _share(states, _STOPPED)
            line[f"other photos, {size}"] = _share(states, _OTHER_PHOTOS)
        lines.append(line)
    return pd.DataFrame(lines)


def _states(
    p_source: np.ndarray, p: np.ndarray, size: int, random: np.random.Generator
) -> list[str]:
    if len(p) < size:
        return []
    draws = [random.choice(len(p), size, replace=False) for _ in range(_DRAWS)]
    return [run_alarm(p_source[drawn], p[drawn], np.arange(size)).state for drawn in draws]


def _share(states: Sequence[str], wanted: Sequence[str]) -> float:
    return float(np.isin(states, wanted).mean()) if states else np.nan
