"""The report of a run in slices of its catalog: of the whole run only a few narrow columns are held.

Rows and attempts of a slice are set aside on the local disk. What asks for all outputs of a run
(`run_columns`, the summary, what the page lists) is made of the narrow columns.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import schema
from pipelines.parquet import columns_of
from pipelines.report_rows import ATTEMPT, MADE, lineage, report_rows
from pipelines.reviews import with_verdicts
from pipelines.run_columns import JUDGED_BY, OF_RUN, prints, q_of_run, relative_p_values, twin_of
from pipelines.slices import SLICE_ROWS, PartsBySource, slices_by_source
from pipelines.spill import Spill
from pipelines.video.signature import is_clip_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from pipelines.reviews import Verdicts
    from pipelines.runs import Run

FAMILIES = ("content", "style", "passthrough", "artifact", "color")
# Of every row of the report.
_OVERVIEW = ("source", "status", "was_flagged", "attempts", "p_anomaly", "reason", "verdict")
# Of every first attempt.
_FIRSTS = (
    "source",
    "decision",
    "p_source",
    "p_anomaly",
    "group",
    "flagged",
    "score_status",
    "verdict",
)
# Of every attempt at a photo whose story the page may tell.
TOLD = pa.schema(
    [
        *columns_of(
            schema.attempts_schema(),
            "source",
            "attempt_id",
            "attempt_no",
            "output_sha256",
            "strategy",
            "decision",
            "decision_reason",
            "p_anomaly",
            *(f"p_{name}" for name in FAMILIES),
        ),
        schema.REPORT.field("verdict"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All rows of a report, and of each some columns at hand.

    `overview` has a row for each row of the report, in its order: source, status, was_flagged,
    attempts, p_anomaly, reason, verdict, whether it has an `output` and `is_clip`, and the columns
    of the whole run (`run_columns.OF_RUN`). `firsts` has some columns of the first attempts.
    """

    overview: pa.Table
    firsts: pa.Table
    calibration_id: str | None  # the last one that an attempt was judged by
    _rows: Spill
    _told: Spill

    def tables(self) -> Iterator[pa.Table]:
        """The report, some rows at a time."""
        start = 0
        for rows in self._rows:
            mine = self.overview.slice(start, rows.num_rows)
            start += rows.num_rows
            yield _with_run_columns(rows, mine)

    def take(self, places: Sequence[int] | np.ndarray) -> pa.Table:
        """The rows with these numbers, in this order, without the columns of the whole run."""
        return self._rows.take(places)

    def of_sources(self, sources: Sequence[str]) -> pa.Table:
        """The rows of these sources, the same."""
        known = pa.array(sources, pa.string())
        places = pc.drop_null(pc.index_in(pc.unique(known), value_set=self.overview["source"]))
        return self.take(places.to_numpy())

    def attempts_at(self, sources: Sequence[str]) -> pa.Table:
        """The columns TOLD of the attempts at these photos, if they were flagged or tried again.

        By source and in the order in which they were made.
        """
        known = pa.array(sources, pa.string())
        found = [rows.filter(pc.is_in(rows["source"], value_set=known)) for rows in self._told]
        return pa.concat_tables([TOLD.empty_table(), *found])


@contextmanager
def draft_report(run: Run, verdicts: Verdicts) -> Iterator[Draft]:
    """What the committed parts come to; what was set aside is gone afterwards."""
    with Spill(schema.REPORT) as rows, Spill(TOLD) as told:
        overviews, firsts, calibrations = [], [], set()
        for report, first, tries in report_slices(run, verdicts):
            rows.add(report)
            told.add(_worth_telling(report, tries))
            overviews.append(_overview(report, first))
            firsts.append(tries.filter(pc.equal(tries["decision"], "first")).select(_FIRSTS))
            calibrations.update(tries["calibration_id"].unique().to_pylist())
        all_firsts = pa.concat_tables(firsts)
        yield Draft(
            overview=_over_run(run, pa.concat_tables(overviews), all_firsts),
            firsts=all_firsts,
            calibration_id=max(calibrations - {None}, default=None),
            _rows=rows,
            _told=told,
        )


def whole_report(run: Run, verdicts: Verdicts) -> tuple[pa.Table, pa.Table]:
    """The same as two tables: the rows of the report, and the attempts that count with all their columns."""
    slices = list(report_slices(run, verdicts, schema.attempts_schema()))
    reports, _, tables = zip(*slices, strict=True)
    tries = pa.concat_tables(tables)
    overview = pa.concat_tables([_overview(report, first) for report, first, _ in slices])
    firsts = tries.filter(pc.equal(tries["decision"], "first"))
    report = pa.concat_tables(reports).combine_chunks()
    return _with_run_columns(report, _over_run(run, overview, firsts)), tries


def report_slices(
    run: Run, verdicts: Verdicts, columns: pa.Schema = ATTEMPT
) -> Iterator[tuple[pa.Table, pa.Table, pa.Table]]:
    """Of each slice of the catalog the two tables of `report_rows`, and its attempts that count.

    One slice without rows where the catalog has none. `columns`: of the attempts, ATTEMPT at least.
    """
    made = PartsBySource(run.folder.stage("stylize"), MADE)
    for catalog, tries in _tries(run, columns, schema.CATALOG):
        known = with_verdicts(tries, verdicts)
        report, first = report_rows(
            catalog,
            with_verdicts(made.between(catalog["source"]), verdicts),
            known,
            style=run.pack.name,
            style_digest=run.pack.digest,
        )
        yield report, first, known


def _tries(
    run: Run, columns: pa.Schema, of_catalog: pa.Schema
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Each slice of the catalog with the attempts that count."""
    attempts = PartsBySource(run.folder.attempts, columns)
    for catalog in slices_by_source(run.folder.catalog, of_catalog, SLICE_ROWS):
        yield catalog, lineage(catalog, attempts.between(catalog["source"]))


def _overview(report: pa.Table, first: pa.Table) -> pa.Table:
    """Of a slice, and what is needed for the columns of the whole run."""
    clips = [is_clip_output(name) for name in report["output"].to_pylist()]
    return pa.table(
        {
            **{name: report[name] for name in _OVERVIEW},
            "output": pc.is_valid(report["output"]),
            "is_clip": pa.array(clips, pa.bool_()),
            "first_p": first["p_anomaly"],
            "photo": prints(first["source_print"]),
            "made": prints(first["output_print"]),
        }
    )


def _over_run(run: Run, overview: pa.Table, firsts: pa.Table) -> pa.Table:
    """With the columns of the whole run."""
    columns = columns_of(schema.attempts_schema(), *dict.fromkeys((*ATTEMPT.names, *JUDGED_BY)))
    keys = columns_of(schema.CATALOG, "source", "sha256")
    relative = relative_p_values(run, firsts, (tries for _, tries in _tries(run, columns, keys)))
    q = q_of_run(overview["first_p"])
    if relative is None:
        p = pa.nulls(len(q), pa.float64())
    else:
        p = relative["p_relative"].take(
            pc.index_in(overview["source"], value_set=relative["source"])
        )
    twins = twin_of(overview["source"], overview["photo"], overview["made"])
    found = overview.drop_columns(["first_p", "photo", "made"])
    for name, column in (("q_anomaly", q), ("p_relative", p), ("twin_of", twins)):
        found = found.append_column(name, column)
    return found


def _with_run_columns(report: pa.Table, overview: pa.Table) -> pa.Table:
    for name in OF_RUN:
        place = report.schema.get_field_index(name)
        report = report.set_column(place, schema.REPORT.field(name), overview[name])
    return report.combine_chunks()


def _worth_telling(report: pa.Table, tries: pa.Table) -> pa.Table:
    """The attempts at photos that were flagged or tried again."""
    is_told = pc.or_(report["was_flagged"], pc.greater(report["attempts"], 1))
    sources = report["source"].filter(is_told)
    return tries.select(TOLD.names).filter(pc.is_in(tries["source"], value_set=sources))
