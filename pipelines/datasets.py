"""Datasets: named catalogs of photo folders, which every run over the same photos starts from.

`$GANST_HOME/datasets/NAME/` holds dataset.json, catalog.parquet and the committed shards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from pipelines.config import DatasetConfig
from pipelines.errors import UnknownRunError
from pipelines.facts import check_identity, first_facts, read_facts, write_facts
from pipelines.storage import open_root

_FACTS = "dataset.json"
_WAY_OUT = "Choose another --dataset, or repeat the old configuration."
# With another limit its rejected rows would be others.
_IDENTITY = ("photos", "max_pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset's folder and configuration."""

    root: UPath
    config: DatasetConfig

    @property
    def catalog(self) -> UPath:
        """One row per file seen."""
        return self.root / "catalog.parquet"

    @property
    def parts(self) -> UPath:
        """Folder of the committed parts."""
        return self.root / "shards" / "ingest"

    @property
    def photos(self) -> UPath:
        """Folder of the photos."""
        return open_root(self.config.photos)


def open_dataset(config: DatasetConfig, home: Path) -> Dataset:
    """Create the dataset in the folder `home` of all datasets, or go on with it.

    Raises:
        RunConflictError: The dataset is of another folder, or has another limit.

    """
    config = _absolute(config)
    root = open_root(str(home / config.dataset))
    check_dataset(config, home)
    identity = config.model_dump(include=set(_IDENTITY))
    if (root / _FACTS).exists():
        facts = read_facts(root / _FACTS, "dataset") | {"config": config.model_dump()}
    else:
        later = {"catalog_digest": None, "groups": None}
        facts = first_facts("dataset", config.model_dump(), identity) | later
    write_facts(root / _FACTS, facts)
    return Dataset(root=root, config=config)


def check_dataset(config: DatasetConfig, home: Path) -> None:
    """Refuse what `open_dataset` would refuse; nothing is written."""
    root = open_root(str(home / config.dataset))
    if (root / _FACTS).exists():
        new = _absolute(config).model_dump(include=set(_IDENTITY))
        check_identity(root, read_facts(root / _FACTS, "dataset")["identity"], new, _WAY_OUT)


def find_dataset(name: str, home: Path) -> Dataset:
    """The dataset of that name.

    Raises:
        UnknownRunError: With the names that are known.

    """
    known = sorted(path.parent.name for path in home.glob(f"*/{_FACTS}"))
    if name not in known:
        listed = ", ".join(known) or "none"
        raise UnknownRunError(f"no dataset {name!r}: the known datasets are {listed}")
    return load_dataset(open_root(str(home / name)))


def load_dataset(root: UPath) -> Dataset:
    """The dataset that a folder holds.

    Raises:
        UnknownRunError: There is none.

    """
    facts = read_facts(root / _FACTS, "dataset")
    return Dataset(root=root, config=DatasetConfig.model_validate(facts["config"]))


def record_in_dataset(dataset: Dataset, **facts: Any) -> None:  # noqa: ANN401 JSON values
    """Note facts in dataset.json."""
    known = read_facts(dataset.root / _FACTS, "dataset")
    write_facts(dataset.root / _FACTS, known | facts)


def _absolute(config: DatasetConfig) -> DatasetConfig:
    groups = str(open_root(config.groups)) if config.groups else None
    return config.model_copy(update={"photos": str(open_root(config.photos)), "groups": groups})
