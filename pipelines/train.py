"""Train a style: folders of photos and paintings in, a style pack out.

Imports neither Prefect nor Dask nor pydantic, so that the same code runs on a bare GPU host:
`python -m pipelines.train --style NAME --photos DIR --paintings DIR --out FOLDER --minutes 8`.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ganst.errors import TrainingError
from ganst.models.presets import PRESETS
from ganst.training.config import Budget
from ganst.training.loop import TrainEvent
from ganst.training.recipes import recipe
from pipelines.training.gang import run_gang
from pipelines.training.job import CHECKPOINT_EVERY_S, Begin, TrainJob
from pipelines.training.rank import check_beginning, open_training
from pipelines.training.stopping import StopRequest, TrainingStopped, stopped_sentence

__all__ = [
    "PRESETS",
    "Budget",
    "TrainEvent",
    "TrainJob",
    "check_beginning",
    "choose_beginning",
    "recipe",
    "train",
]

_log = logging.getLogger(__name__)
OnEvent = Callable[[TrainEvent], None]


def train(job: TrainJob, on_event: OnEvent | None = None) -> Path:
    """Run `job` in this process, or in one process a rank; the folder of the finished pack.

    A checkpoint of everything is written every two minutes and on Ctrl-C or SIGTERM.

    Raises:
        TrainingError: Pictures that cannot be trained on, or training diverged.
        CheckpointError: A checkpoint that cannot be used, or one that would be lost.
        TrainingStopped: By a signal, with a checkpoint.

    """
    tell = on_event or _tell_nobody
    if job.ranks > 1:
        return run_gang(job, tell)
    training = open_training(job)
    with StopRequest() as stop:
        is_finished = training.run(tell, stop.is_set)
    if not is_finished:
        stop.pass_on(stopped_sentence(training.trainer.num_images))
    return job.out


def _tell_nobody(_event: TrainEvent) -> None:
    return


def main() -> None:
    """Command line of a bare host; `ganst train` is the one for people."""
    parser = _parser()
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        _refuse_to_overwrite(arguments)
        train(_job(arguments), log_every(100))
    except (TrainingError, ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except TrainingStopped as stopped:
        _end(parser, stopped)


def _end(parser: argparse.ArgumentParser, stopped: TrainingStopped) -> NoReturn:
    parser.exit(128 + stopped.number, f"{parser.prog}: {stopped}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipelines.train", description="Train a style pack.")
    parser.add_argument("--style", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True, help="a folder, or one picture")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets the pack's folder"
    )
    parser.add_argument("--preset", default="fast", choices=sorted(PRESETS))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=int)
    parser.add_argument(
        "--crop", type=int, help="side of the crops in pixels, as the preset has it"
    )
    parser.add_argument("--batch", type=int, help="images of each rank, as the preset has it")
    parser.add_argument("--content", choices=("mse", "ce"), help="content loss of dagan")
    parser.add_argument("--ranks", type=int, default=1, help="processes on this host")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads of each rank")
    parser.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        help="networks with torch.compile; auto: on a GPU, for 5 minutes or 100,000 images and more",
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="folder that gets an event file"
    )
    parser.add_argument("--start", type=Path, help="style pack to train further")
    parser.add_argument("--licence", default="unknown")
    parser.add_argument("--checkpoint-every", type=float, default=CHECKPOINT_EVERY_S, metavar="S")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    begin.add_argument("--replace", action="store_true", help="train the style anew")
    return parser


def _job(arguments: argparse.Namespace) -> TrainJob:
    config = recipe(
        arguments.preset,
        crop_px=arguments.crop,
        batch_size=arguments.batch,
        content_loss=arguments.content,
        precision=arguments.precision,
        seed=arguments.seed,
    )
    return TrainJob(
        style=arguments.style,
        photos=arguments.photos,
        paintings=arguments.paintings,
        out=arguments.out / arguments.style,
        budget=Budget(minutes=arguments.minutes, images=arguments.images),
        config=config,
        licence=arguments.licence,
        threads=arguments.threads,
        start=arguments.start,
        ranks=arguments.ranks,
        begin=choose_beginning(resume=arguments.resume, replace=arguments.replace),
        checkpoint_every_s=arguments.checkpoint_every,
        compile=arguments.compile,
        tensorboard=arguments.tensorboard,
    )


def choose_beginning(*, resume: bool, replace: bool) -> Begin:
    """What the two flags of a command line mean."""
    if resume:
        return "resume"
    return "replace" if replace else "new"


def _refuse_to_overwrite(arguments: argparse.Namespace) -> None:
    pack = arguments.out / arguments.style
    if (pack / "card.json").exists() and not (arguments.replace or arguments.resume):
        raise ValueError(f"{pack} is there already: choose another name, or --replace it")


def log_every(num_steps: int) -> OnEvent:
    """An `on_event` that logs progress, rate, waiting for data, and losses."""

    def on_event(event: TrainEvent) -> None:
        if event.step % num_steps and event.progress < 1:
            return
        shown = " ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        _log.info(
            "step %d, %.0f %%, %.1f images/s, %.0f %% waiting for data, %.0f s left: %s",
            event.step,
            100 * event.progress,
            event.images_per_s,
            100 * event.data_wait,
            event.remaining_s,
            shown,
        )

    return on_event


if __name__ == "__main__":
    main()
