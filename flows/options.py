"""Groups of command line options that several verbs share, each group a dataclass."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from flows.training import TrainRequest
    from pipelines.config import ComputeConfig, DatasetConfig, RunConfig
    from pipelines.selection import Selection

_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, kw_only=True)
class CatalogOptions:
    """What decides the rows of a catalog; names and defaults are those of CatalogConfig."""

    photos: Annotated[
        str,
        typer.Argument(
            help="Folder of photos and clips: a path, an fsspec URL, or dataset:NAME. Of run and stylize also one file."
        ),
    ]
    groups: Annotated[
        str | None,
        typer.Option(help="CSV or Parquet with source and group; else the parent folder."),
    ] = None
    max_pixels: Annotated[int, typer.Option(help="Files with more pixels are rejected.")] = (
        200_000_000
    )
    max_reject_share: Annotated[
        float, typer.Option(help="Share of rejected files that is still a success.")
    ] = 0.2
    shard_size: Annotated[int, typer.Option(help="Images in a shard, at most.")] = 64


@dataclass(frozen=True, kw_only=True)
class DatasetOptions(CatalogOptions):
    """A dataset to make or to go on with; names and defaults are those of DatasetConfig."""

    dataset: Annotated[str, typer.Option(help="Name of the dataset; dataset:NAME is its folder.")]

    def to_config(self) -> "DatasetConfig":
        """Checked values."""
        from pipelines.config import DatasetConfig

        return DatasetConfig(**asdict(self))


@dataclass(frozen=True, kw_only=True)
class RunOptions(CatalogOptions):
    """What decides the pixels and rows of a run; names and defaults are those of RunConfig."""

    style: Annotated[str, typer.Option(help="Name of a style, or path of a style pack.")]
    out: Annotated[str, typer.Option(help="RUN folder; an earlier one is gone on with.")]
    strength: Annotated[float, typer.Option(help="0: the photo itself, 1: the full style.")] = 1.0
    max_side: Annotated[
        int | None, typer.Option(help="Shrink to this long side in pixels; else keep the size.")
    ] = None
    format: Annotated[
        Literal["same", "jpeg", "png", "webp"], typer.Option(help="File format of the outputs.")
    ] = "same"
    quality: Annotated[int, typer.Option(help="Quality of JPEG and WebP, 1 to 100.")] = 95
    subsampling: Annotated[
        Literal["4:4:4", "4:2:2", "4:2:0"],
        typer.Option(help="Of the colours of a JPEG; 4:4:4: none."),
    ] = "4:4:4"
    video_quality: Annotated[
        int, typer.Option(help="Of clips: x264's rate factor, 0 best, 51 smallest.")
    ] = 18
    steady: Annotated[
        bool, typer.Option("--steady/--no-steady", help="Clips: keep the frames of a shot alike.")
    ] = True
    strip_location: Annotated[
        bool, typer.Option("--strip-location", help="Leave GPS tags out of the outputs.")
    ] = False
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], typer.Option(help="auto: bf16 where it is native.")
    ] = "auto"
    memory_mb: Annotated[
        int, typer.Option(help="MB a worker may take for the network on one image; else in strips.")
    ] = 1536
    alpha: Annotated[float, typer.Option(help="Outputs with p up to this are flagged.")] = 0.05
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0

    def to_config(self) -> "RunConfig":
        """Checked values."""
        from pipelines.config import RunConfig

        return RunConfig(**asdict(self))


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Where the work is done, and how it is told."""

    workers: Annotated[
        int | None, typer.Option(help="Worker processes; else one per core. 0: this process.")
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="Address of an existing Dask scheduler.")
    ] = None
    resource: Annotated[
        str | None, typer.Option(help="Dask resource that a shard takes one of, e.g. GPU.")
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False

    def to_compute(self) -> "ComputeConfig":
        """Checked values."""
        from pipelines.config import ComputeConfig

        return ComputeConfig(workers=self.workers, scheduler=self.scheduler, resource=self.resource)


@dataclass(frozen=True, kw_only=True)
class CorrectionOptions:
    """Which of the flagged images are meant, and what may be spent on them."""

    reason: Annotated[
        list[str] | None, typer.Option(help="Only outputs flagged for this; may be repeated.")
    ] = None
    only: Annotated[
        Literal["flagged", "quarantined"] | None,
        typer.Option(help="What nobody tried to mend yet, or what was given up."),
    ] = None
    share: Annotated[
        float,
        typer.Option(
            min=0, help="Largest share of the run's work; a small run may use 100 megapixels of it."
        ),
    ] = 0.25

    def to_selection(self) -> "Selection":
        """The same for `correct`."""
        from pipelines.selection import Selection

        return Selection(reasons=tuple(self.reason or ()), only=self.only)


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Photos and outputs that any tool made of them."""

    sources: Annotated[str | None, typer.Option(help="Folder of photos.")] = None
    outputs: Annotated[str | None, typer.Option(help="Folder of their outputs.")] = None
    style: Annotated[str | None, typer.Option(help="Style that the outputs are to have.")] = None
    out: Annotated[str | None, typer.Option(help="Parquet file to write.")] = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """A style to train; names and defaults are those of TrainRequest."""

    style: Annotated[str, typer.Option(help="Name of the new style.")]
    photos: Annotated[Path, typer.Option(help="Folder of photos to learn on.")]
    paintings: Annotated[Path, typer.Option(help="Folder of paintings, or one painting.")]
    preset: Annotated[
        str, typer.Option(help="fast, default, cyclegan, dagan, or tiny for a test.")
    ] = "fast"
    minutes: Annotated[float | None, typer.Option(help="Train so long; 8 if not given.")] = None
    images: Annotated[int | None, typer.Option(help="Train on so many crops instead.")] = None
    crop: Annotated[
        int | None, typer.Option(help="Side of the crops in pixels, else the preset's.")
    ] = None
    batch: Annotated[
        int | None, typer.Option(help="Images of each rank in a step, else the preset's.")
    ] = None
    content: Annotated[
        Literal["mse", "ce"] | None, typer.Option(help="Content loss of dagan: mse if not given.")
    ] = None
    start: Annotated[
        str | None,
        typer.Option(help="Style to train further; one of another preset is imitated at first."),
    ] = None
    ranks: Annotated[int, typer.Option(help="Processes that share every batch.")] = 1
    scheduler: Annotated[
        str | None, typer.Option(help="Existing Dask scheduler: each rank on a worker of its own.")
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0
    compile: Annotated[
        Literal["auto", "on", "off"],
        typer.Option(help="Compile the networks; auto: in long trainings on a GPU."),
    ] = "auto"
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder that gets an event file for TensorBoard.")
    ] = None
    licence: Annotated[str, typer.Option(help="Of photos and paintings, for the card.")] = "unknown"
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = (
        False
    )
    replace: Annotated[bool, typer.Option("--replace", help="Train the style anew.")] = False

    def to_request(self) -> "TrainRequest":
        """Checked values."""
        from flows.training import TrainRequest

        return TrainRequest(**asdict(self))


Track = Annotated[bool, typer.Option("--track", help="Run as a Prefect flow.")]


def with_option_groups(verb: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the fields of every dataclass parameter of `verb` as options."""
    hints = get_type_hints(verb, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(verb).parameters.values():
        group = hints[parameter.name]
        if is_dataclass(group):
            parameters += _parameters_of(group)
        else:
            parameters.append(parameter.replace(annotation=group, kind=parameter.KEYWORD_ONLY))

    @functools.wraps(verb)
    def command(**values: Any) -> None:  # noqa: ANN401 whatever was typed
        for name, group in hints.items():
            if isinstance(group, type) and is_dataclass(group):
                values[name] = group(**{f.name: values.pop(f.name) for f in fields(group)})
        verb(**values)

    command.__signature__ = inspect.Signature(parameters)  # pyrefly: ignore[missing-attribute]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameters_of(group: Any) -> list[inspect.Parameter]:  # noqa: ANN401 a dataclass
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=_EMPTY if field.default is MISSING else field.default,
        )
        for field in fields(group)
    ]
