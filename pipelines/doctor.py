"""What this machine has to work with: versions, devices, precision, cores, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import psutil
import torch

from ganst.precision import choose_precision, probe_cpu
from pipelines.styles import list_styles
from pipelines.version import code_digest, package_version

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("torch", "numpy", "pillow", "pyarrow", "pandas", "dask", "distributed", "prefect")
_GIB = 1024**3


def examine(home: Path, styles_home: Path) -> dict[str, Any]:
    """Facts about code, machine, precision, styles and disk, as plain JSON values."""
    return {
        "ganst": {"version": package_version(), "code": code_digest()[:12]},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().available / _GIB, 1),
        "devices": _devices(),
        "precision": choose_precision(),
        "precision_reason": _why_this_precision(),
        "home": str(home),
        "home_is_writable": _is_writable(home),
        "disk_free_gib": {str(place): _free_gib(place) for place in (home, home.cwd())},
        "styles": [folder.name for folder in list_styles(styles_home)],
    }


def _devices() -> list[str]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return gpus or [f"CPU ({torch.backends.cpu.get_cpu_capability()})"]


def _why_this_precision() -> str:
    if torch.cuda.is_available():
        return f"this GPU has {'' if choose_precision() == 'bf16' else 'no '}bf16"
    found = probe_cpu()
    if found is None:
        return "this CPU has no instructions for bf16"
    times = f"{1e3 * found.bf16_s:.1f} against {1e3 * found.fp32_s:.1f} ms"
    return f"bf16 takes {times} of fp32 for a convolution here, {found.speedup:.1f} times as fast"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _existing(place: Path) -> Path:
    return next(
        folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists()
    )


def _is_writable(place: Path) -> bool:
    return os.access(_existing(place), os.W_OK)


def _free_gib(place: Path) -> float:
    return round(shutil.disk_usage(_existing(place)).free / _GIB, 1)
