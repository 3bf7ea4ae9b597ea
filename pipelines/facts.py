"""run.json and dataset.json: what a folder of ours belongs to, kept readable for people."""

import json
import os
import platform
import socket
from datetime import UTC, datetime
from typing import Any

import torch
from upath import UPath

from pipelines.errors import RunConflictError, UnknownRunError
from pipelines.storage import commit_bytes, create_bytes, read_bytes
from pipelines.version import code_digest, package_version

_FORMAT = 1
_NAMES = {"run": "RUN folder", "dataset": "dataset"}


def read_facts(path: UPath, kind: str) -> dict[str, Any]:
    """The facts of a "run" or a "dataset".

    Raises:
        UnknownRunError: There is no such file, or it is not one of ours.

    """
    try:
        facts = json.loads(read_bytes(path))
    except FileNotFoundError as error:
        raise UnknownRunError(
            f"{path.parent} is no {_NAMES[kind]}: it has no {path.name}."
        ) from error
    except (ValueError, NotADirectoryError) as error:
        raise UnknownRunError(f"{path} cannot be read: {error}.") from error
    if not isinstance(facts, dict) or facts.get(f"ganst_{kind}") != _FORMAT:
        raise UnknownRunError(f"{path} was not written by this version of GANST.")
    return facts


def write_facts(path: UPath, facts: dict[str, Any]) -> None:
    """Commit the facts."""
    commit_bytes(path, _as_text(facts))


def create_facts(path: UPath, facts: dict[str, Any]) -> None:
    """Commit the facts of a new folder.

    Raises:
        FileExistsError: Another command has just done so.

    """
    create_bytes(path, _as_text(facts))


def _as_text(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()


def first_facts(kind: str, config: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    """What is known of a new folder: its configuration, this code, this machine, this moment."""
    return {
        f"ganst_{kind}": _FORMAT,
        "config": config,
        "identity": identity,
        "code": {"version": package_version(), "digest": code_digest()},
        "machine": {
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def check_identity(root: UPath, old: dict[str, Any], new: dict[str, Any], way_out: str) -> None:
    """Refuse a folder of another identity.

    Raises:
        RunConflictError: With every difference, and the way out.

    """
    names = sorted(old.keys() | new.keys())
    changes = [f"{n} {old.get(n)} -> {new.get(n)}" for n in names if old.get(n) != new.get(n)]
    if changes:
        raise RunConflictError(
            f"{root} belongs to another configuration: {', '.join(changes)}. {way_out}"
        )
