"""The stages of a run as plain calls on a RUN folder, and what they come to. No Prefect here.

The stages are imported when they are called: they load torch, which takes seconds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flows.progress import tell_listener
from flows.settings import styles_home
from pipelines.config import ComputeConfig, RunConfig
from pipelines.errors import EmptyFolderError, GanstError, UnknownRunError
from pipelines.progress import OnProgress, StageSummary

if TYPE_CHECKING:
    from pipelines.runs import Run
    from pipelines.summary import Summary

Stage = Callable[[str, ComputeConfig], StageSummary]

DEFAULT_COMPUTE = ComputeConfig()


class IncompleteRunError(GanstError):
    """A run went to its end, but something in it failed; `outcome` says what."""

    def __init__(self, outcome: "Outcome") -> None:
        super().__init__(" ".join(outcome.problems))
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run after this call: its summary, the stages of this call, and what is wrong with it."""

    run: str
    summary: "Summary"
    stages: tuple[StageSummary, ...]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the paths of what to read."""
        return {
            "run": self.run,
            "report": f"{self.run}/report.parquet",
            "page": f"{self.run}/report.html",
            "problems": list(self.problems),
            "stages": [asdict(stage) for stage in self.stages],
            "summary": self.summary.to_json(),
        }


def check_places(config: RunConfig, compute: ComputeConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        GanstError: No such style, no photos, or no cluster at the address.

    """
    from pipelines.styles import find_style

    find_style(config.style, styles_home())
    check_photos(config.photos)
    check_scheduler(compute)


def check_photos(photos: str) -> None:
    """Refuse what is no folder, and a folder with nothing in it."""
    from pipelines.storage import open_root

    folder = open_root(photos)
    if not folder.is_dir():
        raise EmptyFolderError(f"{folder} is not a folder of photos.")
    if next(iter(folder.iterdir()), None) is None:
        raise EmptyFolderError(f"{folder} is empty.")


def check_scheduler(compute: ComputeConfig) -> None:
    """Refuse a Dask cluster that does not answer or runs other code."""
    if compute.scheduler:
        from pipelines.cluster import open_client

        with open_client(compute):
            pass


def open_stage(config: RunConfig) -> str:
    """Create the RUN folder or go on with it; gives its path."""
    from pipelines.runs import open_run
    from pipelines.styles import find_style, load_stylepack

    pack = load_stylepack(find_style(config.style, styles_home()))
    known = config.model_copy(update={"home": str(styles_home())})
    return str(open_run(known, pack).folder.root)


def ingest_stage(
    out: str, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> StageSummary:
    """Bring the catalog up to date with the photo folder."""
    from pipelines.ingest import ingest

    return ingest(load(out), compute, on_progress)


def stylize_stage(
    out: str, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> StageSummary:
    """Make the first output of every photo that has none."""
    from pipelines.stylize import stylize

    return stylize(load(out), compute, on_progress)


def score_stage(
    out: str, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> StageSummary:
    """Score every output that has no score."""
    from pipelines.score import score

    return score(load(out), compute, on_progress)


def correct_stage(
    out: str, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> StageSummary:
    """Mend what is flagged, or put it into quarantine."""
    from pipelines.correct import correct

    return correct(load(out), compute, on_progress)


def report_stage(out: str, stages: Sequence[StageSummary] = ()) -> "Summary":
    """Write report.parquet, summary.json, the page and the contact sheets."""
    from pipelines.report import write_report

    return write_report(load(out), stages)


STAGES: Mapping[str, Stage] = {
    "ingest": ingest_stage,
    "stylize": stylize_stage,
    "score": score_stage,
    "correct": correct_stage,
}


def run_through(
    out: str,
    compute: ComputeConfig,
    names: Sequence[str],
    *,
    stages: Mapping[str, Stage] = STAGES,
    report: Callable[..., "Summary"] = report_stage,
) -> Outcome:
    """Call the named stages in their order, then the report."""
    with _cluster(out, compute, names) as shared:
        summaries = tuple(stages[name](out, shared) for name in names)
    summary = report(out, summaries)
    return Outcome(
        run=out, summary=summary, stages=summaries, problems=find_problems(out, summaries, summary)
    )


def find_problems(out: str, stages: Sequence[StageSummary], summary: "Summary") -> tuple[str, ...]:
    """One sentence for each thing for which a run has failed; none if it is well."""
    problems = [sentence for stage in stages for sentence in stage.failed]
    allowed = load(out).config.max_reject_share
    if (summary.reject_rate or 0.0) > allowed:
        problems.append(
            f"{summary.counts['rejected']} of {summary.sources} files were rejected"
            f" ({summary.reject_rate:.0%}), more than the allowed {allowed:.0%}"
            " (--max-reject-share)."
        )
    return tuple(problems)


def load(out: str) -> "Run":
    """The run of a folder."""
    from pipelines.runs import load_run

    return load_run(out, styles_home())


def load_ingested(out: str) -> "Run":
    """The run of a folder that has a catalog.

    Raises:
        UnknownRunError: No RUN folder, or one in which nothing was ingested.

    """
    run = load(out)
    if not run.folder.catalog.exists():
        raise UnknownRunError(f"{run.folder.root} has no catalog yet: ganst run or stylize first.")
    return run


@contextmanager
def _cluster(out: str, compute: ComputeConfig, names: Sequence[str]) -> Iterator[ComputeConfig]:
    """One cluster for all stages of a new run; a finished one most often needs none at all."""
    from pipelines.cluster import shared_cluster

    if load(out).folder.report.exists() or not names:
        yield compute
    else:
        with shared_cluster(compute) as shared:
            yield shared
