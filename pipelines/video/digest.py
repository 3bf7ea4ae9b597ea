"""Digests of files that are too large to be held as bytes."""

import hashlib

from upath import UPath

from pipelines.errors import StaleSourceError
from pipelines.stylized import CHANGED, DENIED, REMOVED

_CHUNK = 1 << 20


def digest_of(path: UPath) -> str:
    """SHA-256 of a file, in hex, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_digest(path: UPath, wanted: str) -> None:
    """Raise `StaleSourceError` where a source is gone or holds other bytes than at ingest."""
    try:
        found = digest_of(path)
    except FileNotFoundError as error:
        raise StaleSourceError(REMOVED) from error
    except PermissionError as error:
        raise StaleSourceError(DENIED) from error
    if found != wanted:
        raise StaleSourceError(CHANGED)
