"""What a person types: checked before any work starts, unknown keys refused."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ImageFormat = Literal["same", "jpeg", "png", "webp"]
Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
PrecisionChoice = Literal["auto", "bf16", "fp32"]

# Two runs that differ only in these give the same pixels and the same rows.
NOT_IDENTITY = frozenset({"out", "home", "groups", "max_reject_share", "shard_size"})

_DATASET = "dataset:"


def dataset_name(photos: str) -> str | None:
    """The NAME of `dataset:NAME`; None where photos is a folder or URL."""
    return photos.removeprefix(_DATASET) if photos.startswith(_DATASET) else None


class ComputeConfig(BaseModel):
    """Where the work is done. Never a part of a run's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | None = Field(
        default=None, ge=0, description="Worker processes. None: one per core. 0: this process."
    )
    scheduler: str | None = Field(
        default=None, description="Address of an existing Dask scheduler, e.g. tcp://host:8786."
    )
    resource: str | None = Field(
        default=None,
        min_length=1,
        description="Dask resource of which every shard takes one, e.g. GPU. Needs a scheduler.",
    )

    @model_validator(mode="after")
    def _offered_by_someone(self) -> Self:
        if self.resource and not self.scheduler:
            raise ValueError("a resource is offered by workers of a --scheduler, and none is given")
        return self


class CatalogConfig(BaseModel):
    """Photos, and what decides their rows in a catalog."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: str = Field(
        min_length=1,
        description="Folder of photos and clips, or one of them: a path, an fsspec URL, dataset:NAME.",
    )
    groups: str | None = Field(
        default=None,
        min_length=1,
        description="CSV or Parquet with the columns source and group. None: the parent folder.",
    )
    max_pixels: int = Field(
        default=200_000_000, ge=1, description="Files with more pixels are rejected undecoded."
    )
    max_reject_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of rejected files above which it has failed."
    )
    shard_size: int = Field(default=64, ge=1, description="Images in a shard, at most.")


class DatasetConfig(CatalogConfig):
    """One dataset: a catalog of these photos, kept under a name."""

    dataset: str = Field(pattern=r"^\w[\w.-]*$", max_length=100, description="Name of the dataset.")

    @field_validator("photos")
    @classmethod
    def _no_name(cls, photos: str) -> str:
        if dataset_name(photos) is not None:
            raise ValueError("a dataset is made of a folder or URL, not of a dataset")
        return photos


class RunConfig(CatalogConfig):
    """One run: these photos in this style into that folder."""

    style: str = Field(min_length=1, description="Name of a style, or path of a style pack.")
    out: str = Field(min_length=1, description="The RUN folder: a path or an fsspec URL.")
    home: str | None = Field(default=None, description="Folder of further style packs.")
    strength: float = Field(
        default=1.0, ge=0, le=1, description="0: the photo itself, 1: the full style."
    )
    max_side: int | None = Field(
        default=None, ge=1, description="Shrink to this long side, in pixels. None: keep the size."
    )
    format: ImageFormat = Field(default="same", description="File format of the outputs.")
    quality: int = Field(default=95, ge=1, le=100, description="Quality of JPEG and WebP.")
    subsampling: Subsampling = Field(
        default="4:4:4",
        description="Of the colours of a JPEG. 4:4:4: none, strokes are colour edges.",
    )
    video_quality: int = Field(
        default=18, ge=0, le=51, description="Of clips: x264's rate factor, 0 best, 51 smallest."
    )
    steady: bool = Field(
        default=True, description="Clips: keep the frames of a shot alike. False: each for itself."
    )
    strip_location: bool = Field(default=False, description="Leave GPS tags out of the outputs.")
    precision: PrecisionChoice = Field(
        default="auto", description="auto: the faster one here, as measured."
    )
    memory_mb: int = Field(
        default=1536,
        ge=16,
        description="Activations of one image, in MB: larger images are stylized in strips.",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Outputs with p_anomaly up to this are flagged."
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of everything random.")
