"""The command line. Verbs import what they need when they are called: `ganst --help` is instant."""

import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from flows.explain import explain_source
from flows.failures import DONE, FAILED, explain
from flows.options import (
    CorrectionOptions,
    DatasetOptions,
    PairOptions,
    RunOptions,
    Track,
    TrainOptions,
    WorkOptions,
    with_option_groups,
)
from flows.review import review_app
from flows.stopping import signals_heard
from flows.styles import styles_app
from flows.telling import complain, say

if TYPE_CHECKING:
    from flows.datasets import DatasetOutcome
    from flows.stages import Outcome
    from pipelines.progress import StageSummary

app = typer.Typer(
    name="ganst",
    help="Stylize photo collections with a GAN trained on your paintings; score, correct, report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_RUN = Annotated[str, typer.Argument(help="RUN folder of an earlier command.")]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@app.command()
@with_option_groups
def run(
    options: RunOptions,
    work: WorkOptions,
    correct: Annotated[
        bool, typer.Option(help="Mend or quarantine at once what is flagged.")
    ] = True,
) -> None:
    """Ingest, stylize, score, correct and report: the nightly Prefect flow, once and now."""
    from flows import verbs

    _tell(verbs.run(options.to_config(), work.to_compute(), correct=correct), work)


@app.command()
@with_option_groups
def ingest(options: DatasetOptions, work: WorkOptions, track: Track = False) -> None:
    """Catalog a folder of photos under a name, so that several runs over it decode it once."""
    from flows import verbs
    from flows.wording import dataset_lines

    outcome = verbs.ingest(options.to_config(), work.to_compute(), track=track)
    _tell_outcome(outcome, dataset_lines(outcome), work)


@app.command()
@with_option_groups
def stylize(options: RunOptions, work: WorkOptions, track: Track = False) -> None:
    """Stylize a folder of photos, without scores."""
    from flows import verbs

    _tell(verbs.stylize(options.to_config(), work.to_compute(), track=track), work)


@app.command()
@with_option_groups
def score(
    pairs: PairOptions,
    work: WorkOptions,
    run: Annotated[str | None, typer.Argument(help="RUN folder of an earlier command.")] = None,
    track: Track = False,
) -> None:
    """Score the outputs of a RUN, or of any tool: --sources --outputs --style --out."""
    from flows import verbs

    given = [value for value in astuple(pairs) if value is not None]
    if run is not None and not given:
        _tell(verbs.score(run, work.to_compute(), track=track), work)
    elif run is None and len(given) == len(fields(pairs)) and not track:
        _tell_pairs(verbs.score_folders(given, work.to_compute()), work, given[-1])
    else:
        raise typer.BadParameter(
            "give either a RUN folder, or all of --sources, --outputs, --style and --out"
        )


@app.command()
@with_option_groups
def correct(run: _RUN, meant: CorrectionOptions, work: WorkOptions, track: Track = False) -> None:
    """Mend what is flagged in a RUN, or put it into quarantine."""
    from flows import verbs

    selected = meant.to_selection()
    _tell(verbs.correct(run, work.to_compute(), selected, share=meant.share, track=track), work)


@app.command()
def report(
    run: _RUN,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: _JSON = False,
) -> None:
    """Write the table, the page and the contact sheets of a RUN anew."""
    from flows import verbs

    outcome = verbs.report(run)
    if open_page:
        webbrowser.open(Path(f"{outcome.run}/report.html").as_uri())
    _tell(outcome, WorkOptions(as_json=as_json))


@app.command()
@with_option_groups
def train(options: TrainOptions, track: Track = False, as_json: _JSON = False) -> None:
    """Train a style on your paintings."""
    from flows import verbs
    from pipelines.training.stopping import TrainingStopped

    try:
        folder = verbs.train(options.to_request(), track=track)
    except TrainingStopped as stopped:
        complain(str(stopped))
        raise typer.Exit(128 + stopped.number) from None
    say(
        {"style": options.style, "folder": folder},
        f"The style is in {folder}. So that its outputs can be judged, calibrate it:\n"
        f"ganst calibrate --style {options.style} --photos {options.photos}"
        f" --paintings {options.paintings}",
        as_json,
    )


@app.command()
@with_option_groups
def calibrate(
    work: WorkOptions,
    style: Annotated[str, typer.Option(help="Name of a style, or path of a style pack.")],
    photos: Annotated[str, typer.Option(help="Photos whose outputs are normal.")],
    paintings: Annotated[
        str | None, typer.Option(help="The style's paintings; needed the first time.")
    ] = None,
    clips: Annotated[
        bool, typer.Option("--clips", help="For clips instead, once photos are calibrated.")
    ] = False,
) -> None:
    """Learn what a style's outputs look like when nothing is wrong."""
    from flows import verbs

    if clips:
        facts = verbs.calibrate_clips(style, photos, work.to_compute())
    else:
        facts = verbs.calibrate(style, photos, paintings, work.to_compute())
    say(facts, f"Calibration {facts['calibration_id'][:12]} is in {facts['file']}.", work.as_json)


@app.command()
@with_option_groups
def doctor(work: WorkOptions) -> None:
    """Versions, devices, precision and why, Dask and Prefect, disk."""
    from flows.doctor import examine_all
    from flows.wording import doctor_lines

    facts = examine_all(work.to_compute())
    say(facts, doctor_lines(facts), work.as_json)
    raise typer.Exit(FAILED if facts["problems"] else DONE)


app.add_typer(styles_app, name="styles")
app.add_typer(review_app, name="review")
app.command("explain")(explain_source)


def main() -> NoReturn:
    """Run a verb; the exit status says how it went, and no user's mistake shows a traceback."""
    with signals_heard():
        sys.exit(_status())


def _status() -> int:
    try:
        return app(standalone_mode=False) or DONE
    except Exception as error:
        sentence, status = explain(error)
        if sentence is None:
            raise
        complain(sentence)
        return status


def _tell(outcome: "Outcome", work: WorkOptions) -> None:
    """Print a run's outcome."""
    from flows.wording import outcome_lines

    _tell_outcome(outcome, outcome_lines(outcome), work)


def _tell_outcome(outcome: "Outcome | DatasetOutcome", text: str, work: WorkOptions) -> None:
    say(outcome.to_json(), text, work.as_json)
    _fail_for(outcome.problems)


def _tell_pairs(summary: "StageSummary", work: WorkOptions, out: str) -> None:
    from flows.wording import pairs_line

    say(asdict(summary) | {"table": out}, pairs_line(summary, out), work.as_json)
    _fail_for(summary.failed)


def _fail_for(problems: Sequence[str]) -> None:
    """Work with problems is a failure."""
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    main()
