"""Columns of the report that are made of all outputs of a run: twins, and p relative to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.calibration import JUDGED, SOURCE_NAMES, CalibrationError
from ganst.scoring.conformal import q_values
from ganst.scoring.fingerprint import twins
from ganst.scoring.relative import MIN_OUTPUTS, relative_p, scale_of_run
from pipelines.judging import load_calibration
from pipelines.summary import alarm_of

if TYPE_CHECKING:
    from ganst.scoring.calibration import Calibration
    from ganst.scoring.relative import RunScale
    from pipelines.runs import Run

_OUTPUT_NAMES = tuple(column.name for column in JUDGED)


def twin_of(
    sources: pa.ChunkedArray, photos: pa.ChunkedArray, outputs: pa.ChunkedArray
) -> pa.Array:
    """For each row the source whose output is the same picture though the photo is another.

    `photos`, `outputs`: fingerprints in hex, null where there is none.
    """
    names, prints = sources.to_pylist(), zip(photos.to_pylist(), outputs.to_pylist(), strict=True)
    known = [(row, a, b) for row, (a, b) in enumerate(prints) if a is not None and b is not None]
    found = twins([int(b, 16) for *_, b in known], [int(a, 16) for _, a, _ in known])
    result: list[str | None] = [None] * len(names)
    for (row, *_), twin in zip(known, found, strict=True):
        result[row] = None if twin is None else names[known[twin][0]]
    return pa.array(result, pa.string())


def q_of_run(p: pa.ChunkedArray) -> pa.Array:
    """q-values of the p-values of a run, null where there is none."""
    known = pc.cast(pc.fill_null(p, float("nan")), pa.float64()).to_numpy()
    return pa.array(q_values(known), from_pandas=True)


def with_relative(run: Run, tries: pa.Table) -> pa.Table:
    """`tries` with p relative to the run, where its photos are unlike those calibrated on."""
    known = _calibration_if_moved(run, tries)
    return relative_to_run(tries, *known) if known else without_relative(tries)


def run_scale(run: Run, tries: pa.Table) -> RunScale | None:
    """What is usual in a run whose photos are unlike those calibrated on.

    None where they are not, and where fewer than 20 first attempts say what is usual.
    """
    known = _calibration_if_moved(run, tries)
    if known is None:
        return None
    rows = tries.filter(_is_judged_by(tries, known[1]))
    if rows.num_rows < MIN_OUTPUTS:
        return None
    return scale_of_run(known[0], _matrix(rows, SOURCE_NAMES), _matrix(rows, _OUTPUT_NAMES))


def _calibration_if_moved(run: Run, tries: pa.Table) -> tuple[Calibration, str] | None:
    firsts = tries.filter(pc.equal(tries["decision"], "first")).select(
        ["p_source", "p_anomaly", "group"]
    )
    if alarm_of(firsts.to_pylist()).state not in ("sources", "both"):
        return None
    try:
        return load_calibration(str(run.style_path))
    except CalibrationError:  # of another version than the one that scored
        return None


def relative_to_run(tries: pa.Table, calibration: Calibration, calibration_id: str) -> pa.Table:
    """`tries` with `p_relative` of the first attempts that were judged by this calibration.

    Null for all where there are fewer than 20 of them.
    """
    mask = _is_judged_by(tries, calibration_id).to_numpy()
    p = np.full(tries.num_rows, np.nan)
    if mask.sum() >= MIN_OUTPUTS:
        rows = tries.filter(pa.array(mask))
        keys = rows["attempt_id"].to_pylist()
        p[mask] = relative_p(
            calibration, _matrix(rows, SOURCE_NAMES), _matrix(rows, _OUTPUT_NAMES), keys
        )
    return tries.append_column("p_relative", pa.array(p, from_pandas=True))


def _is_judged_by(tries: pa.Table, calibration_id: str) -> pa.ChunkedArray:
    judged = pc.and_(
        pc.and_(pc.equal(tries["decision"], "first"), pc.is_valid(tries["p_anomaly"])),
        pc.and_(
            pc.equal(tries["calibration_id"], calibration_id),
            pc.is_valid(tries[_OUTPUT_NAMES[0]]),  # clips have no columns of their own
        ),
    )
    return pc.fill_null(judged, False)


def without_relative(tries: pa.Table) -> pa.Table:
    """`tries` with `p_relative` null throughout: the photos are those calibrated on."""
    return tries.append_column("p_relative", pa.nulls(tries.num_rows, pa.float64()))


def _matrix(rows: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([rows[name].to_numpy() for name in names])
