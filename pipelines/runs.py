"""A run: the RUN folder, which configuration it belongs to, how work in it is named."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from upath import UPath

from ganst.models.stylepack import StylePack, load_stylepack
from ganst.precision import Precision, choose_precision
from ganst.scoring.columns import SCORER_VERSION
from pipelines.config import NOT_IDENTITY, RunConfig
from pipelines.errors import RunConflictError, UnknownRunError
from pipelines.facts import check_identity, create_facts, first_facts, read_facts, write_facts
from pipelines.run_folder import RunFolder
from pipelines.storage import folder_and_name, open_root
from pipelines.style_folders import find_style, own_copy

FIRST_CHECKPOINT = "final"
_WAY_OUT = "Choose another --out, or repeat the old configuration."


@dataclass(frozen=True, kw_only=True)
class Run:
    """A RUN folder with the configuration and the style that it belongs to."""

    folder: RunFolder
    config: RunConfig
    pack: StylePack
    precision: Precision  # resolved, never "auto"
    dataset: UPath | None = None  # folder of the dataset that the photos were named by

    @property
    def style_path(self) -> Path:
        """Folder of the style pack."""
        return self.pack.path

    @property
    def photos(self) -> UPath:
        """Folder of the sources."""
        return self._sources[0]

    @property
    def only(self) -> str | None:
        """The one file in that folder that the run is about; None: all."""
        return self._sources[1]

    @cached_property
    def _sources(self) -> tuple[UPath, str | None]:
        """Asked of the disk or store once, and not before somebody wants to know."""
        return folder_and_name(open_root(self.config.photos))


def open_run(config: RunConfig, pack: StylePack, dataset: UPath | None = None) -> Run:
    """Create the RUN folder, or go on with it; `dataset` knows rows of the same photos already.

    Raises:
        RunConflictError: The folder belongs to another configuration, or cannot hold a run.

    """
    folder = RunFolder(open_root(config.out))
    photos = open_root(config.photos)
    _check_places(photos, folder.root)
    run = Run(
        folder=folder,
        config=_absolute(config),
        pack=pack,
        precision=_precision(config, folder, pack),
        dataset=dataset,
    )
    named = {"dataset": str(dataset) if dataset else None}
    if folder.run_json.exists():
        # Measuring takes a moment, in which another command may have begun in the other precision.
        run = replace(run, precision=_precision(config, folder, pack))
        facts = _read_facts(folder)
        check_identity(folder.root, facts["identity"], _identity(run), _WAY_OUT)
        write_facts(folder.run_json, facts | {"config": run.config.model_dump()} | named)
        return run
    try:
        create_facts(folder.run_json, _first_facts(run) | named)
    except FileExistsError:  # another command has just begun: what it is of counts
        return open_run(config, pack, dataset)
    return run


def load_run(out: str, home: Path | None) -> Run:
    """The run that a folder holds, with the style it was made with.

    Raises:
        UnknownRunError: No run.json there, or not one of ours.
        RunConflictError: The style pack is no longer the one the run was made with.

    """
    folder = RunFolder(open_root(out))
    facts = _read_facts(folder)
    config = RunConfig.model_validate(facts["config"] | {"out": str(folder.root)})
    known = Path(facts["style_path"])
    there = (known / "card.json").is_file()
    path = own_copy(known, home) if there else find_style(config.style, home)
    pack = load_stylepack(path)
    identity = facts["identity"]
    if pack.digest != identity["style_digest"]:
        raise RunConflictError(
            f"{folder.root} was made with style {pack.name} {identity['style_digest'][:12]},"
            f" but {path} is {pack.digest[:12]}."
        )
    return Run(
        folder=folder,
        config=config,
        pack=pack,
        precision=cast("Precision", identity["precision"]),
        dataset=open_root(facts["dataset"]) if facts["dataset"] else None,
    )


def record(run: Run, **facts: Any) -> None:  # noqa: ANN401 JSON values
    """Note facts in run.json, e.g. `catalog_digest`, `calibration_id`, `finished`."""
    known = _read_facts(run.folder)
    unknown = sorted(facts.keys() - known.keys())
    if unknown:
        raise ValueError(f"run.json has no field {unknown[0]!r}")
    write_facts(run.folder.run_json, known | facts)


def run_key(run: Run) -> str:
    """16 hex digits that name a run wherever its folder lies: what it is made of, when it began."""
    facts = _read_facts(run.folder)
    text = json.dumps([facts["identity"], facts["started"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_run_folder(folder: UPath) -> bool:
    """True where a run.json of ours lies: such a folder holds results, not photos."""
    try:
        _read_facts(RunFolder(folder))
    except (UnknownRunError, OSError):
        return False
    return True


def attempt_id(
    *,
    source_sha256: str,
    style_digest: str,
    strategy: str | None,
    params: dict[str, Any],
    seed: int,
    scorer_version: str,
) -> str:
    """32 hex digits that name the work: same work, same id. Sources with equal bytes share it."""
    work = {
        "source_sha256": source_sha256,
        "style_digest": style_digest,
        "strategy": strategy,
        "params": params,
        "seed": seed,
        "scorer_version": scorer_version,
    }
    text = json.dumps(work, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def first_params(run: Run) -> dict[str, Any]:
    """The parameters of a first attempt: all that decides its bytes besides source, style, seed."""
    config = run.config
    return {
        "checkpoint": FIRST_CHECKPOINT,
        "precision": run.precision,
        "strength": config.strength,
        "max_side": config.max_side,
        "format": config.format,
        "quality": config.quality,
        "subsampling": config.subsampling,
        "strip_location": config.strip_location,
        "memory_mb": config.memory_mb,
    }


def first_attempt_id(run: Run, source_sha256: str) -> str:
    """The id of the first attempt on a source."""
    return attempt_id(
        source_sha256=source_sha256,
        style_digest=run.pack.digest,
        strategy=None,
        params=first_params(run),
        seed=run.config.seed,
        scorer_version=SCORER_VERSION,
    )


def _precision(config: RunConfig, folder: RunFolder, pack: StylePack) -> Precision:
    """What was asked for; else what the run has been made in so far, on whatever machine; else measured."""
    if config.precision != "auto":
        return config.precision
    if folder.run_json.exists():
        return cast("Precision", _read_facts(folder)["identity"]["precision"])
    return choose_precision(pack.network)


def _absolute(config: RunConfig) -> RunConfig:
    places = {"photos": str(open_root(config.photos)), "out": str(open_root(config.out))}
    groups = str(open_root(config.groups)) if config.groups else None
    return config.model_copy(update=places | {"groups": groups})


def _check_places(photos: UPath, root: UPath) -> None:
    if photos == root or root in photos.parents:
        raise RunConflictError(
            f"The photos {photos} lie inside of the RUN folder {root}: choose another --out."
        )
    if root.exists() and not root.is_dir():
        raise RunConflictError(f"The RUN folder {root} is a file: choose another --out.")


def _identity(run: Run) -> dict[str, Any]:
    """Everything that changes pixels or rows, resolved."""
    values = run.config.model_dump(exclude=set(NOT_IDENTITY))
    resolved = {"style": run.pack.name, "style_digest": run.pack.digest, "precision": run.precision}
    return values | resolved


def _first_facts(run: Run) -> dict[str, Any]:
    return (
        first_facts("run", run.config.model_dump(), _identity(run))
        | _LATER
        | {"style_path": str(run.pack.path)}
    )


def _read_facts(folder: RunFolder) -> dict[str, Any]:
    return _LATER | read_facts(folder.run_json, "run")


# Found out in the course of a run; an older run.json need not have all of them.
_LATER: dict[str, Any] = {
    "dataset": None,
    "groups": None,
    "catalog_digest": None,
    "calibration_id": None,
    "finished": None,
}
