"""Finished runs below a folder whose flagged images nobody has corrected."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from pipelines.correct import systemic_fault
from pipelines.correction_plan import current_attempts
from pipelines.errors import EmptyFolderError, GanstError
from pipelines.runs import is_run_folder, load_run
from pipelines.storage import open_root

MAX_DEPTH = 3  # of a RUN folder below the root: a customer's, a year's, a night's


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A run with flagged images; `left_alone` says why nothing is to be done, if so."""

    run: str
    num_flagged: int
    left_alone: str | None = None


def find_backlogs(root: str, home: Path | None) -> list[Backlog]:
    """Runs below `root`, or `root` itself, with images of the status `flagged`, sorted by path.

    A run that cannot be read, or is flagged as a whole, is among them with the reason. A run
    without a report is not: it has not come to its end, and goes on when it is called again.

    Args:
        root: A folder of RUN folders: a path or an fsspec URL.
        home: Folder of further style packs.

    Raises:
        EmptyFolderError: There is no such folder.

    """
    folder = open_root(root)
    if not folder.is_dir():
        raise EmptyFolderError(f"{folder} is not a folder of runs.")
    found = (_examine(run, home) for run in find_runs(folder))
    return [backlog for backlog in found if backlog.num_flagged or backlog.left_alone]


def find_runs(folder: UPath, depth: int = MAX_DEPTH) -> Iterator[UPath]:
    """RUN folders, sorted; not those in hidden folders or in other runs."""
    if is_run_folder(folder):
        yield folder
    elif depth:
        for child in sorted(folder.iterdir(), key=str):
            if not child.name.startswith(".") and child.is_dir():
                yield from find_runs(child, depth - 1)


def _examine(folder: UPath, home: Path | None) -> Backlog:
    run = str(folder)
    flagged = 0
    try:
        flagged = _count_flagged(folder / "report.parquet")
        if flagged:
            known = load_run(run, home)
            fault = systemic_fault(current_attempts(known))
            return Backlog(run=run, num_flagged=flagged, left_alone=fault)
    except (GanstError, OSError, pa.ArrowException) as error:
        return Backlog(run=run, num_flagged=flagged, left_alone=" ".join(str(error).split()))
    return Backlog(run=run, num_flagged=0)


def _count_flagged(report: UPath) -> int:
    if not report.exists():
        return 0
    with report.open("rb") as file:
        status = pq.read_table(file, columns=["status"])["status"]
    return status.to_pylist().count("flagged")
