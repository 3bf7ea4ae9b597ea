"""What each verb does, as a function that the command line prints the result of."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows import stages
from flows.datasets import DatasetOutcome, bring_up_to_date, check_dataset_config
from flows.failures import refusing
from flows.prefect_run import through_prefect
from flows.settings import styles_home
from flows.stages import IncompleteRunError, Outcome
from flows.stopping import stoppable
from flows.terminal import progress_shown
from flows.training import TrainRequest, check_request, train_style
from pipelines.config import ComputeConfig, DatasetConfig, RunConfig
from pipelines.progress import StageSummary

if TYPE_CHECKING:
    from pipelines.selection import Selection

T = TypeVar("T", Outcome, DatasetOutcome)


@stoppable
def run(config: RunConfig, compute: ComputeConfig, *, correct: bool) -> Outcome:
    """Call the nightly flow."""

    def call() -> Outcome:
        from flows.nightly import nightly

        return nightly(config, compute, correct)

    names = ("score", "correct") if correct else ("score",)
    return _tracked(lambda: _check(config, compute, *names), call)


@stoppable
def ingest(config: DatasetConfig, compute: ComputeConfig, *, track: bool) -> DatasetOutcome:
    """Bring a dataset up to date."""

    def call() -> DatasetOutcome:
        from flows.ingest import ingest as ingest_flow

        return ingest_flow(config, compute)

    def check() -> None:
        with refusing():
            check_dataset_config(config, compute)

    if track:
        return _tracked(check, call)
    with progress_shown():
        check()
        return bring_up_to_date(config, compute)


@stoppable
def stylize(config: RunConfig, compute: ComputeConfig, *, track: bool) -> Outcome:
    """Ingest and stylize."""

    def call() -> Outcome:
        from flows.stylize import stylize as stylize_flow

        return stylize_flow(config, compute)

    if track:
        return _tracked(lambda: _check(config, compute), call)
    with progress_shown():
        _check(config, compute)
        with refusing():
            out = stages.open_stage(config)
        return stages.run_through(out, compute, ("ingest", "stylize"))


@stoppable
def score(out: str, compute: ComputeConfig, *, track: bool) -> Outcome:
    """Score the outputs of a RUN."""

    def call() -> Outcome:
        from flows.score import score as score_flow

        return score_flow(out, compute)

    if track:
        return _tracked(lambda: _check_run(out, compute), call)
    with progress_shown():
        _check_run(out, compute)
        return stages.run_through(out, compute, ("score",))


@stoppable
def score_folders(pairs: Sequence[str], compute: ComputeConfig) -> StageSummary:
    """Score the outputs of any tool: folders of photos and outputs, style, and file to write."""
    from pipelines.score import score_pairs
    from pipelines.styles import find_style

    sources, outputs, style, out = pairs
    with refusing():
        pack = find_style(style, styles_home())
        stages.check_photos(sources)
        stages.check_photos(outputs)
        stages.check_scheduler(compute)
    with progress_shown():
        return score_pairs(sources, outputs, pack, out, compute, stages.tell_listener)


@stoppable
def correct(
    out: str, compute: ComputeConfig, only: "Selection", *, share: float, track: bool
) -> Outcome:
    """Mend or quarantine what is flagged in a RUN, or some of it."""

    def call() -> Outcome:
        from flows.correct import correct as correct_flow

        return correct_flow(out, compute, only.reasons, only.only, share)

    def check() -> None:
        from pipelines.selection import check_reasons

        _check_run(out, compute)
        with refusing():
            check_reasons(stages.load(out), only)

    if track:
        return _tracked(check, call)
    with progress_shown():
        check()
        work = {"correct": partial(stages.STAGES["correct"], only=only, share=share)}
        return stages.run_through(out, compute, ("correct",), stages=work)


@stoppable
def report(out: str) -> Outcome:
    """Write the report of a RUN anew."""
    with refusing():
        run = stages.load_ingested(out)
    return stages.run_through(str(run.folder.root), stages.DEFAULT_COMPUTE, ())


def train(request: TrainRequest, *, track: bool) -> str:
    """Train a style; gives the folder of its pack."""

    def call() -> str:
        from flows.train import train as train_flow

        return train_flow(request)

    def check() -> None:
        with refusing():
            check_request(request)

    with progress_shown():
        if track:
            return through_prefect(check, call)
        check()
        return str(train_style(request))


@stoppable
def calibrate(
    style: str, photos: str, paintings: str | None, compute: ComputeConfig
) -> dict[str, str]:
    """Fit a style's calibration; gives its id and its file."""
    from pipelines import calibrate as calibration
    from pipelines.style_folders import pack_to_calibrate

    with refusing():
        stages.check_photos(photos)
        if paintings is not None:
            stages.check_photos(paintings)
        stages.check_scheduler(compute)
        pack = pack_to_calibrate(style, styles_home())
    with progress_shown():
        fitted = calibration.calibrate(
            pack, photos, paintings, compute, on_progress=stages.tell_listener
        )
    return {
        "style": pack.name,
        "calibration_id": fitted.calibration_id,
        "file": str(pack / calibration.CALIBRATION_FILE),
    }


@stoppable
def calibrate_clips(style: str, photos: str, compute: ComputeConfig) -> dict[str, str]:
    """Fit what is usual for a style's clips; gives the calibration of its frames and the file."""
    from pipelines.style_folders import pack_to_calibrate
    from pipelines.video.calibrate import calibrate_clips as fit
    from pipelines.video.shot_calibration import FILE

    with refusing():
        stages.check_photos(photos)
        stages.check_scheduler(compute)
        pack = pack_to_calibrate(style, styles_home())
    with progress_shown():
        fitted = fit(pack, photos, compute, on_progress=stages.tell_listener)
    return {
        "style": pack.name,
        "calibration_id": fitted.scope.calibration_id,
        "file": str(pack / FILE),
    }


def list_all_styles() -> list[dict[str, str]]:
    """Name, digest, checkpoints and folder of every style."""
    from pipelines.styles import list_styles, load_stylepack

    packs = [load_stylepack(folder) for folder in list_styles(styles_home())]
    return [
        {
            "name": pack.name,
            "digest": pack.digest,
            "checkpoints": " ".join(pack.checkpoints),
            "path": str(pack.path),
        }
        for pack in packs
    ]


def show_style(style: str) -> dict[str, Any]:
    """The style's card, with its digest and folder."""
    from pipelines.styles import find_style, load_stylepack

    with refusing():
        pack = load_stylepack(find_style(style, styles_home()))
    card: dict[str, Any] = json.loads(json.dumps(pack.card))
    return card | {"digest": pack.digest, "path": str(pack.path)}


@stoppable
def style_sheet(photos: Sequence[str], out: str) -> list[str]:
    """Write the sheet; gives the names of the styles on it."""
    from pipelines.style_sheet import write_style_sheet

    with refusing():
        for photo in photos:
            if not Path(photo).exists() and "://" not in photo:
                raise FileNotFoundError(f"there is no photo {photo}")
    return write_style_sheet(photos, styles_home(), out)


def _tracked(check: Callable[[], None], call: Callable[[], T]) -> T:
    """The outcome of a flow, also of one that ended as failed because of it."""
    with progress_shown():
        try:
            return through_prefect(check, call)
        except IncompleteRunError as error:
            return error.outcome


def _check(config: RunConfig, compute: ComputeConfig, *names: str) -> None:
    """Refuse what cannot work; `names` of the stages to come, for which loading begins."""
    with refusing():
        stages.check_places(config, compute)
    stages.load_ahead(config.out, compute, names)


def _check_run(out: str, compute: ComputeConfig) -> None:
    with refusing():
        stages.load_ingested(out)
        stages.check_scheduler(compute)
