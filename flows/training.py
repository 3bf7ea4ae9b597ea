"""Training a style as the command line and the train flow ask for it."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.progress import tell_listener
from flows.settings import styles_home
from pipelines.errors import GanstError
from pipelines.progress import OnProgress, Progress

if TYPE_CHECKING:
    from pipelines.train import TrainEvent

DEFAULT_MINUTES = 8.0
STYLE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class StyleExistsError(GanstError):
    """A style of that name is there already."""


class TrainRequest(BaseModel):
    """A style to train: its name, photos to learn on, paintings to learn from, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: str = Field(pattern=STYLE_NAME, description="Name of the new style.")
    photos: Path = Field(description="Folder of photographs, any subject.")
    paintings: Path = Field(description="Folder of paintings in one manner; eight are enough.")
    preset: str = Field(default="fast", description="Size of the generator.")
    minutes: float | None = Field(default=None, gt=0, description="Train for so long.")
    images: int | None = Field(default=None, gt=0, description="Train on so many crops.")
    crop: int = Field(default=128, ge=64, description="Side of the training crops, in pixels.")
    seed: int = Field(default=0, ge=0)
    licence: str = Field(default="unknown", description="Of photos and paintings, for the card.")
    replace: bool = Field(default=False, description="Train a style anew that is there already.")

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainRequest":
        if self.minutes is not None and self.images is not None:
            raise ValueError("give minutes or images, not both")
        return self

    @property
    def folder(self) -> Path:
        """Where the pack goes."""
        return styles_home() / self.style


def check_request(request: TrainRequest) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        StyleExistsError: The name is taken.
        GanstError: A folder is missing, or the preset is unknown.

    """
    from pipelines.train import PRESETS

    if request.preset not in PRESETS:
        raise GanstError(f"no preset {request.preset!r}: there are {', '.join(sorted(PRESETS))}")
    for folder in (request.photos, request.paintings):
        if not folder.is_dir():
            raise GanstError(f"{folder} is not a folder of images.")
    check_free(request.style, replace=request.replace)


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
    from pipelines.train import Budget, TrainConfig, TrainJob, train

    minutes = request.minutes
    if minutes is None and request.images is None:
        minutes = DEFAULT_MINUTES
    job = TrainJob(
        style=request.style,
        photos=request.photos,
        paintings=request.paintings,
        out=request.folder,
        budget=Budget(minutes=minutes, images=request.images),
        config=TrainConfig(preset=request.preset, crop_px=request.crop, seed=request.seed),
        licence=request.licence,
    )
    return train(job, lambda event: on_progress(_as_progress(event)))


def _as_progress(event: "TrainEvent") -> Progress:
    """Images seen of those that the budget allows at the speed so far."""
    total = round(event.num_images / event.progress) if event.progress else event.num_images
    return Progress(
        stage="train", done=event.num_images, total=total, rejected=0, elapsed_s=event.elapsed_s
    )
