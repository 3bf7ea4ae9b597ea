"""First attempts: which photos of the catalog get an output, and what else may be made of it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from pipelines.parquet import read_table
from pipelines.runs import Run, RunFolder, first_attempt_id
from pipelines.schema import CATALOG
from pipelines.shards import Key
from pipelines.video.signature import VIDEO

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Photo:
    """One first attempt: this source to that output."""

    source: str
    source_sha256: str
    attempt_id: str
    output: str
    num_pixels: int
    group: str


class Companion(Protocol):
    """Another stage's rows, made while stylize has the photo and its output in memory.

    It travels to workers. Its rows are committed after the shard's own part, so that a kill in
    between leaves them to that other stage.
    """

    def make_row(self, photo: Photo, source: Tensor, data: bytes, sha256: str) -> Row | None:
        """The row of a delivered file, `data`; None leaves it to the other stage."""

    def commit(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        """Write the rows of a shard."""


def plan_photos(run: Run) -> list[Photo]:
    """The first attempts at photos that the catalog asks for; clips are not among them."""
    rows = read_table(run.folder.catalog, CATALOG).to_pylist()
    return [
        Photo(
            source=row["source"],
            source_sha256=row["sha256"],
            attempt_id=first_attempt_id(run, row["sha256"]),
            output=row["output"],
            num_pixels=row["width"] * row["height"],
            group=row["group"],
        )
        for row in rows
        if row["status"] == "ok" and row["mode"] != VIDEO
    ]


def key_of(photo: Photo) -> Key:
    """What names its row in every table."""
    return (photo.source, photo.attempt_id)
