"""Does a run's alarm say what has happened to all of its images? Runs are drawn from the tested rows."""

import numpy as np
import pandas as pd

from ganst.scoring.run_alarm import RunAlarm, run_alarm
from tests.benchmarks.scoring.cases import MODEL_KINDS
from tests.benchmarks.scoring.tables import Results

SIZES = (8, 12, 20)
_DRAWS = 400
_WHOLE_RUNS = (*MODEL_KINDS, "wrong_style")
_OTHER_PHOTOS = ("sources", "both")


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
            alarms = _alarms(results.p_source[mask], results.shipped_p[mask], size, random)
            line[f"stopped, {size}"] = _mean([one.stops_correction for one in alarms])
            line[f"other photos, {size}"] = _mean([one.state in _OTHER_PHOTOS for one in alarms])
        lines.append(line)
    return pd.DataFrame(lines)


def _alarms(
    p_source: np.ndarray, p: np.ndarray, size: int, random: np.random.Generator
) -> list[RunAlarm]:
    if len(p) < size:
        return []
    draws = [random.choice(len(p), size, replace=False) for _ in range(_DRAWS)]
    return [run_alarm(p_source[drawn], p[drawn], np.arange(size)) for drawn in draws]


def _mean(found: list[bool]) -> float:
    return float(np.mean(found)) if found else np.nan
