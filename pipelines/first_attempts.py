"""First attempts: which photos of the catalog get an output, and what else may be made of it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.parquet import columns_of, read_table
from pipelines.runs import Run, RunFolder, first_attempt_id
from pipelines.schema import CATALOG
from pipelines.shards import take_rows
from pipelines.video.signature import VIDEO

if TYPE_CHECKING:
    from torch import Tensor

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

    def make_row(self, photo: Photo, source: "Tensor", data: bytes, sha256: str) -> Row | None:
        """The row of a delivered file, `data`; None leaves it to the other stage."""

    def commit(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        """Write the rows of a shard."""


PHOTOS = pa.schema(
    [
        ("source", pa.string()),
        ("source_sha256", pa.string()),
        ("attempt_id", pa.string()),
        ("output", pa.string()),
        ("num_pixels", pa.int64()),
        ("group", pa.string()),
    ]
)
# What is read of a photo's row in the catalog.
_CATALOG = columns_of(
    CATALOG, "source", "sha256", "width", "height", "mode", "group", "output", "status"
)


def plan_photos(run: Run) -> pa.Table:
    """The first attempts at photos that the catalog asks for, as PHOTOS; clips are not among them."""
    rows = read_table(run.folder.catalog, _CATALOG)
    is_photo = pc.and_(pc.equal(rows["status"], "ok"), pc.not_equal(rows["mode"], VIDEO))
    rows = take_rows(rows, pc.indices_nonzero(is_photo))
    ids = (first_attempt_id(run, digest.as_py()) for digest in rows["sha256"])
    columns = {
        "source": rows["source"],
        "source_sha256": rows["sha256"],
        "attempt_id": pa.array(ids, pa.string()),
        "output": rows["output"],
        "num_pixels": pc.multiply(pc.cast(rows["width"], pa.int64()), rows["height"]),
        "group": rows["group"],
    }
    return pa.table(columns, schema=PHOTOS)


def to_photo(row: Row) -> Photo:
    """A row of PHOTOS."""
    return Photo(**row)
