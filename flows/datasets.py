"""A dataset brought up to date, as the command line and the ingest flow ask for it. No Prefect."""

from dataclasses import asdict, dataclass
from typing import Any

from flows.progress import tell_listener
from flows.settings import datasets_home
from flows.stages import check_groups, check_photos, check_scheduler, too_many_rejects
from pipelines.config import ComputeConfig, DatasetConfig
from pipelines.progress import OnProgress, StageSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOutcome:
    """A dataset after this call: its catalog, what this call did, and what is wrong with it."""

    dataset: str
    folder: str
    photos: str
    stage: StageSummary
    problems: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Files by status."""
        known = self.stage.done + self.stage.skipped
        return {"ok": known - self.stage.rejected, "rejected": self.stage.rejected}

    @property
    def images_per_second(self) -> float | None:
        """Of this call; None where it found nothing to do."""
        done, seconds = self.stage.done, self.stage.seconds
        return round(done / seconds, 2) if done and seconds else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the path of what to read."""
        return {
            "dataset": self.dataset,
            "folder": self.folder,
            "photos": self.photos,
            "catalog": f"{self.folder}/catalog.parquet",
            "counts": self.counts,
            "images_per_second": self.images_per_second,
            "problems": list(self.problems),
            "stages": [asdict(self.stage)],
        }


def check_dataset_config(config: DatasetConfig, compute: ComputeConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        GanstError: No photos, no groups, no cluster, or a dataset of another folder.

    """
    from pipelines.datasets import check_dataset

    check_photos(config.photos)
    check_groups(config.groups)
    check_dataset(config, datasets_home())
    check_scheduler(compute)


def bring_up_to_date(
    config: DatasetConfig, compute: ComputeConfig, on_progress: OnProgress = tell_listener
) -> DatasetOutcome:
    """Create the dataset or go on with it, and read what is new in its folder."""
    from pipelines.datasets import open_dataset
    from pipelines.ingest import ingest_dataset

    dataset = open_dataset(config, datasets_home())
    stage = ingest_dataset(dataset, compute, on_progress)
    rejects = too_many_rejects(stage.rejected, stage.total, config.max_reject_share)
    return DatasetOutcome(
        dataset=config.dataset,
        folder=str(dataset.root),
        photos=str(dataset.photos),
        stage=stage,
        problems=stage.failed + rejects,
    )
