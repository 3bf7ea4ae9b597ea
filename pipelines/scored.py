"""Stylize and score in one pass: an output is scored while its pixels are in memory.

The numbers are those of the delivered file: its bytes are decoded again, as `score` does it after
reading them, and the photo was decoded by the very call that `score` makes. What is spared is to
read both files once more and to decode the photo twice.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pipelines.attempts import lineage
from pipelines.config import ComputeConfig
from pipelines.errors import UndecodableImageError
from pipelines.first_attempts import Photo, Row
from pipelines.images import decode
from pipelines.judging import OutputsJob, load_calibration, outputs_job, score_fields
from pipelines.progress import OnProgress, StageSummary
from pipelines.runs import Run, RunFolder, first_params
from pipelines.score import FirstOutput, commit_rows, score_row, unreadable_output
from pipelines.shards import shard_name
from pipelines.stylize import stylize

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Makes the score rows of a shard of `stylize`: the same rows, in parts of the same names."""

    job: OutputsJob
    shared: Row  # fields of all rows

    def make_row(self, photo: Photo, source: Tensor, data: bytes, sha256: str) -> Row | None:
        """The row that `score` would make of the file, or None: then `score` will try, and say why."""
        try:
            fields = self._fields(photo, source, data)
        except Exception:  # noqa: BLE001 logged whole, and score meets it again
            # An output that is delivered must not be lost for want of a score.
            _LOG.exception("%s: not scored in this pass", photo.source)
            return None
        return score_row(_output_of(photo), fields, sha256) | self.shared

    def commit(self, folder: RunFolder, rows: Sequence[Row]) -> None:
        """Write the part that `score` would write for these outputs."""
        if not rows:
            return
        ordered = sorted(rows, key=lambda row: (row["source"], row["attempt_id"]))
        name = shard_name((row["source"], row["attempt_id"]) for row in ordered)
        commit_rows(folder, f"{name}.parquet", ordered)

    def _fields(self, photo: Photo, source: Tensor, data: bytes) -> dict[str, Any]:
        try:
            output = decode(data, max_pixels=self.job.max_pixels)
        except UndecodableImageError:
            return unreadable_output()
        return score_fields(
            source,
            output.pixels,
            self.job.judge,
            key=photo.attempt_id,
            output_name=photo.output,
        )


def stylize_scored(
    run: Run, compute: ComputeConfig, on_progress: OnProgress | None = None
) -> StageSummary:
    """Stylize what has no output and score it in the same pass; `score` then finds its parts there.

    What was stylized before and has no score yet is left to `score`.

    Raises:
        CalibrationError: The style's calibration file is damaged or of another version.

    """
    load_calibration(str(run.style_path))
    scorer = Scorer(job=outputs_job(run), shared=lineage(run, first_params(run)))
    return stylize(run, compute, on_progress, scorer)


def _output_of(photo: Photo) -> FirstOutput:
    return FirstOutput(
        source=photo.source,
        attempt_id=photo.attempt_id,
        source_sha256=photo.source_sha256,
        group=photo.group,
        output=photo.output,
    )
