"""Which code this is."""

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def package_version() -> str:
    """The installed version of GANST, or `unknown` for a source tree that is not installed."""
    try:
        return version("ganst")
    except PackageNotFoundError:
        return "unknown"


@lru_cache
def code_digest() -> str:
    """64 hex digits over the source of `ganst` and `pipelines`: two hosts can be compared."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in ("ganst", "pipelines"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()
