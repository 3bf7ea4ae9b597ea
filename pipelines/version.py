"""Which code this is."""

import hashlib
import socket
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def package_version() -> str:
    """The installed version of GANST, or `unknown` for a source tree that is not installed."""
    try:
        return version("ganst")
    except PackageNotFoundError:
        return "unknown"


def installed() -> dict[str, str]:
    """What decides whether two processes do the same work; asked of workers, torch not imported."""
    return {
        "GANST": package_version(),
        "code": code_digest(),
        "torch": version("torch").partition("+")[0],  # a build for a CPU and one for a GPU agree
        "place": f"{socket.gethostname()}:{_ROOT}",
    }


@lru_cache
def code_digest() -> str:
    """64 hex digits over the source of `ganst` and `pipelines`: two hosts can be compared."""
    digest = hashlib.sha256()
    for package in ("ganst", "pipelines"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()
