"""What travels to workers that make first outputs, be it of photos or of clips."""

from dataclasses import dataclass
from typing import Any

from pipelines.breadcrumbs import new_call
from pipelines.run_folder import RunJob
from pipelines.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleJob(RunJob):
    """What a worker needs to know besides the files of its shard."""

    style_path: str
    style_digest: str
    precision: str
    strength: float
    max_side: int | None
    memory_mb: int
    seed: int
    call: str


def style_fields(run: Run) -> dict[str, Any]:
    """The fields of a `StyleJob` for one call of a stage on this run."""
    config = run.config
    return {
        "photos": str(run.photos),
        "run": str(run.folder.root),
        "style_path": str(run.style_path),
        "style_digest": run.pack.digest,
        "precision": run.precision,
        "strength": config.strength,
        "max_side": config.max_side,
        "memory_mb": config.memory_mb,
        "seed": config.seed,
        "call": new_call(),
    }
