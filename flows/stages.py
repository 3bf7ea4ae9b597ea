"""The stages of a run as plain calls on a RUN folder, and what they come to. No Prefect here.

The stages are imported when they are called: they load torch, which takes seconds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flows.progress import tell_listener
from flows.settings import datasets_home, styles_home
from pipelines.config import ComputeConfig, RunConfig, dataset_name
from pipelines.errors import EmptyFolderError, GanstError, UnknownRunError
from pipelines.progress import OnProgress, StageSummary

if TYPE_CHECKING:
    from pipelines.datasets import Dataset
    from pipelines.runs import Run
    from pipelines.summary import Summary

Stage = Callable[..., StageSummary]

# What workers load for a stage besides what all of them need.
_HEAVY = {"score": "pipelines.scored", "correct": "pipelines.correct"}

DEFAULT_COMPUTE = ComputeConfig()


class IncompleteRunError(GanstError):
    """Work went to its end, but something in it failed; `outcome` says what."""

    def __init__(self, outcome: Any) -> None:  # noqa: ANN401 of a run or of a dataset
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
        GanstError: No such style, no photos, no groups, or no cluster at the address.

    """
    from pipelines.style_folders import find_style

    find_style(config.style, styles_home())
    dataset = _dataset_of(config)
    check_sources(str(dataset.photos) if dataset else config.photos)
    check_groups(config.groups)
    check_scheduler(compute)


def check_groups(file: str | None) -> None:
    """Refuse a file of groups that cannot be used."""
    if file:
        from pipelines.groups import read_groups

        read_groups(file)


def check_sources(place: str) -> None:
    """As `check_photos`, but one photo or clip will do."""
    from pipelines.storage import open_root

    if not open_root(place).is_file():
        check_photos(place)


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


def load_ahead(out: str, compute: ComputeConfig, names: Sequence[str]) -> None:
    """Begin to load what local workers will need for these stages, while this process loads its own.

    Not for a finished run: most often it has no work.
    """
    from pipelines.preloading import load_ahead
    from pipelines.run_folder import RunFolder
    from pipelines.storage import open_root

    is_local = compute.scheduler is None and compute.workers != 0
    if is_local and not RunFolder(open_root(out)).report.exists():
        load_ahead(*(_HEAVY[name] for name in names if name in _HEAVY))


def open_stage(config: RunConfig) -> str:
    """Create the RUN folder or go on with it; gives its path."""
    from pipelines.runs import open_run
    from pipelines.styles import find_style, load_stylepack

    pack = load_stylepack(find_style(config.style, styles_home()))
    dataset = _dataset_of(config)
    known = {"home": str(styles_home())} | ({"photos": str(dataset.photos)} if dataset else {})
    root = dataset.root if dataset else None
    return str(open_run(config.model_copy(update=known), pack, root).folder.root)


def _stage(name: str) -> Stage:
    """The function `name` of the module of that name, called on the run of a folder."""

    def stage(
        out: str,
        compute: ComputeConfig,
        on_progress: OnProgress = tell_listener,
        **options: Any,  # noqa: ANN401 of that stage
    ) -> StageSummary:
        work = getattr(import_module(f"pipelines.{name}"), name)
        summary: StageSummary = work(load(out), compute, on_progress, **options)
        return summary

    return stage


def _stylize_stage(
    out: str,
    compute: ComputeConfig,
    on_progress: OnProgress = tell_listener,
    *,
    scored: bool = False,
) -> StageSummary:
    """Stylize; `scored`: and score in the same pass, which the score stage then finds done."""
    from pipelines.scored import stylize_scored
    from pipelines.stylize import stylize
    from pipelines.video.stage import with_stylized_clips

    work, run = stylize_scored if scored else stylize, load(out)
    return with_stylized_clips(work(run, compute, on_progress), run, compute, on_progress)


def _score_stage(
    out: str, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> StageSummary:
    """Score photos, then clips."""
    from pipelines.score import score
    from pipelines.video.stage import with_scored_clips

    run = load(out)
    return with_scored_clips(score(run, compute, on_progress), run, compute, on_progress)


def _correct_stage(
    out: str,
    compute: ComputeConfig,
    on_progress: OnProgress = tell_listener,
    **options: Any,  # noqa: ANN401 of that stage
) -> StageSummary:
    """Correct photos, then clips."""
    from pipelines.correct import correct
    from pipelines.video.stage import with_corrected_clips

    run = load(out)
    photos = correct(run, compute, on_progress, **options)
    return with_corrected_clips(photos, run, compute, on_progress, **options)


def report_stage(out: str, stages: Sequence[StageSummary] = ()) -> "Summary":
    """Write report.parquet, summary.json, the page and the contact sheets."""
    from pipelines.report import write_report

    return write_report(load(out), stages)


STAGES: Mapping[str, Stage] = {
    "ingest": _stage("ingest"),
    "stylize": _stylize_stage,
    "score": _score_stage,
    "correct": _correct_stage,
}


def run_through(
    out: str,
    compute: ComputeConfig,
    names: Sequence[str],
    *,
    stages: Mapping[str, Stage] = STAGES,
    report: Callable[..., "Summary"] = report_stage,
) -> Outcome:
    """Call the named stages in their order, then the report.

    Where both stylize and score are named, most scores are made in the pass of stylize.
    """
    from pipelines.run_lock import one_at_a_time

    with one_at_a_time(load(out).folder.root):
        with _cluster(out, compute, names) as shared:
            summaries = tuple(stages[name](out, shared, **_options(name, names)) for name in names)
        summary = report(out, summaries)
    return Outcome(
        run=out, summary=summary, stages=summaries, problems=find_problems(out, summaries, summary)
    )


def _options(name: str, names: Sequence[str]) -> dict[str, bool]:
    return {"scored": True} if name == "stylize" and "score" in names else {}


def find_problems(out: str, stages: Sequence[StageSummary], summary: "Summary") -> tuple[str, ...]:
    """One sentence for each thing for which a run has failed; none if it is well."""
    failed = tuple(sentence for stage in stages for sentence in stage.failed)
    allowed = load(out).config.max_reject_share
    return failed + too_many_rejects(summary.counts["rejected"], summary.sources, allowed)


def too_many_rejects(rejected: int, total: int, allowed: float) -> tuple[str, ...]:
    """One sentence where more than the allowed share of all files was rejected, else none."""
    share = rejected / total if total else 0.0
    if share <= allowed:
        return ()
    sentence = (
        f"{rejected} of {total} files were rejected ({share:.0%}),"
        f" more than the allowed {allowed:.0%} (--max-reject-share)."
    )
    return (sentence,)


def load(out: str) -> "Run":
    """The run of a folder."""
    from pipelines.runs import load_run

    return load_run(out, styles_home())


def _dataset_of(config: RunConfig) -> "Dataset | None":
    """The dataset, where the photos are named by one."""
    name = dataset_name(config.photos)
    if name is None:
        return None
    from pipelines.datasets import find_dataset

    return find_dataset(name, datasets_home())


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
