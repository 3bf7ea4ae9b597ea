"""Training a style as the command line and the train flow ask for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.progress import tell_listener
from flows.settings import styles_home
from pipelines.errors import GanstError
from pipelines.progress import OnProgress, Progress

if TYPE_CHECKING:
    from pipelines.train import TrainEvent, TrainJob

DEFAULT_MINUTES = 8.0
STYLE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class StyleExistsError(GanstError):
    """A style of that name is there already."""


class TrainRequest(BaseModel):
    """A style to train: its name, photos to learn on, paintings to learn from, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: str = Field(pattern=STYLE_NAME, description="Name of the new style.")
    photos: Path = Field(description="Folder of photographs, any subject.")
    paintings: Path = Field(description="Folder of paintings in one manner, or one painting.")
    preset: str = Field(default="fast", description="Networks and what they are trained with.")
    minutes: float | None = Field(default=None, gt=0, description="Train for so long.")
    images: int | None = Field(default=None, gt=0, description="Train on so many crops.")
    crop: int | None = Field(default=None, ge=32, description="Side of the crops in pixels.")
    batch: int | None = Field(default=None, ge=1, description="Images of each rank in a step.")
    content: Literal["mse", "ce"] | None = Field(default=None, description="Loss of dagan.")
    start: str | None = Field(default=None, description="Style that is trained further.")
    ranks: int = Field(default=1, ge=1, description="Processes that share every batch.")
    scheduler: str | None = Field(default=None, description="Dask cluster: a rank on a worker.")
    seed: int = Field(default=0, ge=0)
    compile: Literal["auto", "on", "off"] = Field(default="auto", description="torch.compile.")
    tensorboard: Path | None = Field(default=None, description="Folder for an event file.")
    licence: str = Field(default="unknown", description="Of photos and paintings, for the card.")
    resume: bool = Field(default=False, description="Go on from the last checkpoint.")
    replace: bool = Field(default=False, description="Train a style anew that is there already.")

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainRequest":
        if self.minutes is not None and self.images is not None:
            raise ValueError("give minutes or images, not both")
        if self.resume and self.replace:
            raise ValueError("resume goes on with a training, replace begins anew: not both")
        return self

    @property
    def folder(self) -> Path:
        """Where the pack goes."""
        return styles_home() / self.style


def check_request(request: TrainRequest) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        StyleExistsError: The name is taken.
        StyleError: There is no style of the name to start from.
        GanstError: A folder is missing, or the preset or the size of its crops makes no sense.
        CheckpointError: An unfinished training would be lost, or there is none to resume.

    """
    from pipelines.train import PRESETS, check_beginning

    if request.preset not in PRESETS:
        raise GanstError(f"no preset {request.preset!r}: there are {', '.join(sorted(PRESETS))}")
    if not request.photos.is_dir():
        raise GanstError(f"{request.photos} is not a folder of images.")
    if not request.paintings.exists():
        raise GanstError(f"{request.paintings} is neither a folder of images nor a picture.")
    check_free(request.style, replace=request.replace or request.resume)
    try:
        job = _to_job(request)
    except ValueError as error:
        raise GanstError(str(error)) from error
    check_beginning(job)


def check_free(style: str, *, replace: bool) -> None:
    """Refuse a name that would hide or overwrite a style.

    Raises:
        StyleExistsError: The name is a bundled style's, or taken and not to be replaced.

    """
    from pipelines.styles import BUNDLED

    if (BUNDLED / style).is_dir():
        raise StyleExistsError(f"{style} is a bundled style: choose another name.")
    folder = styles_home() / style
    if folder.exists() and not replace:
        raise StyleExistsError(f"{folder} is there already: choose another name, or --replace it.")


def train_style(request: TrainRequest, on_progress: OnProgress = tell_listener) -> Path:
    """Train and save the pack; gives its folder."""
    from pipelines.train import train

    job = _to_job(request)

    def tell(event: "TrainEvent") -> None:
        on_progress(_as_progress(event))

    if request.scheduler is None:
        return train(job, tell)
    from pipelines.training.cluster import train_on_cluster

    return train_on_cluster(job, request.scheduler, tell)


def _to_job(request: TrainRequest) -> "TrainJob":
    from pipelines.train import Budget, TrainJob, choose_beginning, recipe

    minutes = request.minutes
    if minutes is None and request.images is None:
        minutes = DEFAULT_MINUTES
    return TrainJob(
        style=request.style,
        photos=request.photos,
        paintings=request.paintings,
        out=request.folder,
        budget=Budget(minutes=minutes, images=request.images),
        config=recipe(
            request.preset,
            crop_px=request.crop,
            batch_size=request.batch,
            content_loss=request.content,
            seed=request.seed,
        ),
        licence=request.licence,
        start=None if request.start is None else _find_start(request.start),
        ranks=request.ranks,
        begin=choose_beginning(resume=request.resume, replace=request.replace),
        compile=request.compile,
        tensorboard=request.tensorboard,
    )


def _find_start(style: str) -> Path:
    from pipelines.styles import find_style

    return find_style(style, styles_home())


def _as_progress(event: "TrainEvent") -> Progress:
    """Images seen of those that the budget allows at the speed so far."""
    total = round(event.num_images / event.progress) if event.progress else event.num_images
    return Progress(
        stage="train", done=event.num_images, total=total, rejected=0, elapsed_s=event.elapsed_s
    )
