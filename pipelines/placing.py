"""Where the images of a source go once it is decided: delivered, set aside, in quarantine, or kept.

Every step copies before it removes, so that a call which was killed can be repeated.
"""

from collections.abc import Mapping
from typing import Any

from upath import UPath

from pipelines.runs import RunFolder
from pipelines.storage import commit_bytes, copy_file

Row = Mapping[str, Any]


def first_output(folder: RunFolder, output: str) -> UPath:
    """Where the first output of a source lies now: correction may have moved it."""
    for place in (folder.superseded(output), folder.quarantine(output)):
        if place.exists():
            return place
    return folder.images(output)


def deliver(folder: RunFolder, row: Row, data: bytes) -> None:
    """Keep the first output aside, then replace the delivered image in one step.

    `row` has `output` and `output_sha256` of the first output; no digest: there never was one.
    """
    _copy_first(folder, row, folder.superseded(row["output"]))
    commit_bytes(folder.images(row["output"]), data)
    folder.quarantine(row["output"]).unlink(missing_ok=True)


def deliver_file(folder: RunFolder, row: Row, made: UPath) -> None:
    """As `deliver`, for what is too large to be held as bytes: a copy of the file `made`."""
    _copy_first(folder, row, folder.superseded(row["output"]))
    copy_file(made, folder.images(row["output"]))
    folder.quarantine(row["output"]).unlink(missing_ok=True)


def quarantine(folder: RunFolder, row: Row) -> None:
    """Copy the first output to quarantine/, then take it out of images/."""
    _copy_first(folder, row, folder.quarantine(row["output"]))
    folder.images(row["output"]).unlink(missing_ok=True)
    folder.superseded(row["output"]).unlink(missing_ok=True)


def keep_suggestion(folder: RunFolder, row: Row, data: bytes) -> None:
    """Keep the best of the candidates that were refused, for a person to decide on.

    `row` is its attempt. It lies where no delivery is made from.
    """
    commit_bytes(folder.refused(row["attempt_id"], row["output"]), data)


def _copy_first(folder: RunFolder, row: Row, target: UPath) -> None:
    if row["output_sha256"] is None:  # what lies there now was delivered by a killed call
        return
    source = first_output(folder, row["output"])
    if source != target and source.exists():
        copy_file(source, target)
