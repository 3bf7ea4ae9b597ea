"""The final word on every photo: catalog and committed parts -> report.parquet, page, sheets.

Nothing here looks at a clock, at returned values or at the order of the parts, so that a run which
was killed and resumed ends in the same report.parquet, byte for byte, as one that was left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines import parquet, schema
from pipelines.page import write_page
from pipelines.report_draft import draft_report, whole_report
from pipelines.reviews import read_verdicts
from pipelines.sheets import write_sheets
from pipelines.summary import Summary, summarise, write_summary
from pipelines.verdict_files import settle_files
from pipelines.video.shots import write_shots

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from pipelines.progress import StageSummary
    from pipelines.reviews import Verdicts
    from pipelines.runs import Run


def write_report(run: Run, stages: Sequence[StageSummary] = ()) -> Summary:
    """Write everything that a person or pandas reads of a run.

    `stages` are the stages that this call has just run: their times go into summary.json.
    """
    folder = run.folder
    verdicts = read_verdicts(folder)
    with draft_report(run, verdicts) as draft:
        settle_files(folder, draft, verdicts)
        parquet.commit_tables(folder.report, schema.REPORT, draft.tables())
        write_shots(folder, draft)
        parquet.give_back()
        summary = summarise(run, draft, stages)
        write_summary(folder.summary, summary)
        write_page(run, draft, summary, verdicts)
        write_sheets(run, draft)
    parquet.give_back()
    return summary


def current_report(run: Run, verdicts: Verdicts | None = None) -> tuple[pa.Table, pa.Table]:
    """What the committed parts come to: the rows of the report, and the attempts that count.

    `verdicts` are those in RUN/reviews unless they are given.
    """
    return whole_report(run, read_verdicts(run.folder) if verdicts is None else verdicts)
