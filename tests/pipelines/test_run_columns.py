from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from ganst.scoring.calibration import JUDGED, SOURCE_NAMES
from pipelines import run_columns, schema
from pipelines.run_columns import prints, relative_to_run, run_scale, twin_of

if TYPE_CHECKING:
    import pytest

    from ganst.scoring.calibration import Calibration
    from pipelines.runs import Run

_MINE = "c" * 16


@dataclass
class Halves:
    """Stands in for a calibration: residuals are the judged columns, p is small where one is large."""

    @property
    def detector(self) -> Halves:
        return self

    def residuals(self, _sources: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return outputs

    def p_values(self, _sources: np.ndarray, residuals: np.ndarray, _keys: list[str]) -> np.ndarray:
        return 1 / (1 + np.abs(residuals).max(axis=1))


def attempt(number: int, level: float, **fields: object) -> dict[str, object]:
    columns = dict.fromkeys((*SOURCE_NAMES, *(column.name for column in JUDGED)), level)
    columns["c_gms"] = level + 0.01 * number
    known = {
        "source": f"{number}.jpg",
        "attempt_id": str(number),
        "decision": "first",
        "p_anomaly": 0.01,
    }
    return known | {"calibration_id": _MINE} | columns | fields


def tries(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema.attempts_schema())


def strings(*values: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def test_a_twin_is_named_by_its_source_and_what_has_no_print_has_none():
    photos = strings("0" * 16, "f" * 16, None, "0f" * 8)
    outputs = strings("ab" * 8, "ab" * 8, None, "12" * 8)
    found = twin_of(strings("a.jpg", "b.jpg", "c.jpg", "d.jpg"), prints(photos), prints(outputs))
    assert found.to_pylist() == [None, "a.jpg", None, None]


def test_p_relative_is_of_first_attempts_that_this_calibration_judged():
    rows = [attempt(number, 5.0) for number in range(24)]
    rows.append(attempt(24, 9.0))
    rows.append(attempt(25, 5.0, decision="refused"))
    rows.append(attempt(26, 5.0, calibration_id="d" * 16))
    rows.append(attempt(27, 5.0, c_gms=None))
    known = cast("Calibration", Halves()), _MINE
    for cut in (28, 5):  # slices of the run
        pieces = [tries(rows[start : start + cut]) for start in range(0, 28, cut)]
        found = relative_to_run(pieces, *known)
        assert found is not None
        assert found["source"].to_pylist() == [f"{number}.jpg" for number in range(25)]
        p = found["p_relative"].to_pylist()
        assert all(value > 0.7 for value in p[:24])
        assert p[24] < 0.3


def test_a_small_run_has_no_p_relative():
    rows = [attempt(number, 5.0) for number in range(5)]
    assert relative_to_run([tries(rows)], cast("Calibration", Halves()), _MINE) is None


def test_a_run_has_a_scale_of_its_own_where_its_photos_have_moved(monkeypatch: pytest.MonkeyPatch):
    run = cast("Run", SimpleNamespace(style_path="style"))
    rows = [attempt(number, 5.0, p_source=0.5) for number in range(24)]
    monkeypatch.setattr(run_columns, "load_calibration", lambda _: (Halves(), _MINE))
    assert run_scale(run, tries(rows)) is None
    moved = tries([row | {"p_source": 0.01} for row in rows])
    scale = run_scale(run, moved)
    assert scale is not None
    assert np.median(scale.middle) == 5
    assert run_scale(run, moved.slice(0, 19)) is None
