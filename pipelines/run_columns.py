"""Columns of the report that are made of all outputs of a run: q, twins, and p relative to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ganst.scoring.calibration import JUDGED, SOURCE_NAMES, CalibrationError
from ganst.scoring.conformal import q_values
from ganst.scoring.fingerprint import twins
from ganst.scoring.relative import MIN_OUTPUTS, relative_p, sample_for_scale, scale_of_run
from pipelines.judging import load_calibration
from pipelines.spill import Spill
from pipelines.summary import alarm_of_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ganst.scoring.calibration import Calibration
    from ganst.scoring.relative import RunScale
    from pipelines.runs import Run

OF_RUN = ("q_anomaly", "p_relative", "twin_of")
_OUTPUT_NAMES = tuple(column.name for column in JUDGED)
_COLUMNS = (*SOURCE_NAMES, *_OUTPUT_NAMES)
_JUDGED = pa.schema(
    [("source", pa.string()), ("attempt_id", pa.string())]
    + [(name, pa.float64()) for name in dict.fromkeys(_COLUMNS)]
)
# What `relative_p_values` reads of an attempt.
JUDGED_BY = (*_JUDGED.names, "decision", "p_anomaly", "calibration_id")


def twin_of(sources: pa.ChunkedArray, photos: pa.Array, outputs: pa.Array) -> pa.Array:
    """For each row the source whose output is the same picture though the photo is another.

    `photos`, `outputs`: fingerprints as `prints` gives them.
    """
    rows = np.flatnonzero(pc.and_(pc.is_valid(photos), pc.is_valid(outputs)).to_numpy(False))
    known = pa.array(rows)
    found = twins(outputs.take(known).to_pylist(), photos.take(known).to_pylist())
    places = {row: rows[twin] for row, twin in zip(rows, found, strict=True) if twin is not None}
    names = (sources[places[row]].as_py() if row in places else None for row in range(len(sources)))
    return pa.array(names, pa.string())


def prints(column: pa.ChunkedArray) -> pa.Array:
    """Fingerprints in hex as uint64, null where there is none."""
    texts = (text.as_py() for text in column)
    return pa.array((None if text is None else int(text, 16) for text in texts), pa.uint64())


def q_of_run(p: pa.ChunkedArray) -> pa.Array:
    """q-values of the p-values of a run, null where there is none."""
    known = pc.cast(pc.fill_null(p, float("nan")), pa.float64()).to_numpy()
    return pa.array(q_values(known), from_pandas=True)


def relative_p_values(run: Run, firsts: pa.Table, tries: Iterable[pa.Table]) -> pa.Table | None:
    """`source` and `p_relative` of the first attempts; None where the run's photos have not moved.

    `firsts` is as `alarm_of_table` takes it, `tries` the run's attempts with the columns JUDGED_BY,
    some at a time.
    """
    known = _calibration_if_moved(run, firsts)
    return relative_to_run(tries, *known) if known else None


def run_scale(run: Run, tries: pa.Table) -> RunScale | None:
    """What is usual in a run whose photos are unlike those calibrated on.

    None where they are not, and where fewer than 20 first attempts say what is usual.
    """
    known = _calibration_if_moved(run, tries.filter(pc.equal(tries["decision"], "first")))
    if known is None:
        return None
    rows = tries.filter(_is_judged_by(tries, known[1]))
    if rows.num_rows < MIN_OUTPUTS:
        return None
    return _scale(known[0], rows.take(pa.array(sample_for_scale(rows.num_rows))))


def _scale(calibration: Calibration, rows: pa.Table) -> RunScale:
    return scale_of_run(calibration, _matrix(rows, SOURCE_NAMES), _matrix(rows, _OUTPUT_NAMES))


def _calibration_if_moved(run: Run, firsts: pa.Table) -> tuple[Calibration, str] | None:
    if alarm_of_table(firsts).state not in ("sources", "both"):
        return None
    try:
        return load_calibration(str(run.style_path))
    except CalibrationError:  # of another version than the one that scored
        return None


def relative_to_run(
    tries: Iterable[pa.Table], calibration: Calibration, calibration_id: str
) -> pa.Table | None:
    """`source` and `p_relative` of the first attempts that were judged by this calibration.

    None where there are fewer than 20 of them.
    """
    with Spill(_JUDGED) as judged:
        for rows in tries:
            mine = rows.filter(_is_judged_by(rows, calibration_id))
            judged.add(mine.select(_JUDGED.names))
        if judged.num_rows < MIN_OUTPUTS:
            return None
        scale = _scale(calibration, judged.take(sample_for_scale(judged.num_rows)))
        return pa.concat_tables([_relative(rows, calibration, scale) for rows in judged])


def _relative(rows: pa.Table, calibration: Calibration, scale: RunScale) -> pa.Table:
    matrices = _matrix(rows, SOURCE_NAMES), _matrix(rows, _OUTPUT_NAMES)
    p = relative_p(calibration, scale, *matrices, rows["attempt_id"].to_pylist())
    return pa.table({"source": rows["source"], "p_relative": p})


def _is_judged_by(tries: pa.Table, calibration_id: str) -> pa.ChunkedArray:
    judged = pc.and_(
        pc.and_(pc.equal(tries["decision"], "first"), pc.is_valid(tries["p_anomaly"])),
        pc.and_(
            pc.equal(tries["calibration_id"], calibration_id),
            pc.is_valid(tries[_OUTPUT_NAMES[0]]),  # clips have no columns of their own
        ),
    )
    return pc.fill_null(judged, False)


def _matrix(rows: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([rows[name].to_numpy() for name in names])
