"""Files follow verdicts: what is waived comes back to images/, what is refused leaves it.

Every step copies before it removes, and looks at what lies there instead of remembering: killed
anywhere, the next call ends in the same files.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pipelines.placing import deliver_file, quarantine
from pipelines.storage import copy_file
from pipelines.video.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upath import UPath

    from pipelines.report_draft import Draft
    from pipelines.reviews import Verdicts
    from pipelines.runs import RunFolder

    Row = Mapping[str, Any]


def settle_files(folder: RunFolder, draft: Draft, verdicts: Verdicts) -> None:
    """Put the image of every reviewed photo where its row of the report says that it lies."""
    sources = sorted({source for source, _, _ in verdicts})
    if not sources:
        return
    refused: dict[str, list[Row]] = {}
    for attempt in draft.attempts_at(sources).to_pylist():
        if attempt["decision"] == "accepted" and attempt["verdict"] == "bad":
            refused.setdefault(attempt["source"], []).append(attempt)
    for row in draft.of_sources(sources).to_pylist():
        if row["output"] is not None:
            _settle(folder, row, refused.get(row["source"], ()))


def _settle(folder: RunFolder, row: Row, refused: Sequence[Row]) -> None:
    output = "/".join(PurePosixPath(row["output"]).parts[1:])
    _keep_refused(folder, output, refused)
    if row["status"] == "corrected":
        _deliver_again(folder, output, row)
    elif row["status"] == "quarantined":
        quarantine(folder, {**row, "output": output})
    else:
        _deliver_first(folder, output)


def _keep_refused(folder: RunFolder, output: str, refused: Sequence[Row]) -> None:
    """A corrected image that a person refuses is kept: the next verdict may take it back."""
    delivered = folder.images(output)
    if not refused or not delivered.exists():
        return
    digest = digest_of(delivered)
    for attempt in refused:
        if digest == attempt["output_sha256"]:
            copy_file(delivered, folder.refused(attempt["attempt_id"], output))


def _deliver_again(folder: RunFolder, output: str, row: Row) -> None:
    kept = folder.refused(row["attempt_id"], output)
    if kept.exists() and not _has_bytes(folder.images(output), row["output_sha256"]):
        deliver_file(folder, {**row, "output": output}, kept)


def _deliver_first(folder: RunFolder, output: str) -> None:
    """The first output back from where a correction or a quarantine has put it."""
    for place in (folder.superseded(output), folder.quarantine(output)):
        if place.exists():
            copy_file(place, folder.images(output))
            place.unlink()


def _has_bytes(path: UPath, digest: str) -> bool:
    return path.exists() and digest_of(path) == digest
