"""What this machine has to work with: versions, devices, precision, cores, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import psutil
import torch

from ganst.errors import StylePackError
from ganst.models.stylepack import load_stylepack
from ganst.precision import CLEARLY_FASTER, choose_precision, probe_network
from pipelines.styles import list_styles
from pipelines.version import code_digest, package_version

if TYPE_CHECKING:
    from pathlib import Path

    from ganst.models.generator import GeneratorConfig

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
        **_precisions(styles_home),
        "home": str(home),
        "home_is_writable": _is_writable(home),
        "disk_free_gib": {str(place): _free_gib(place) for place in (home, home.cwd())},
        "styles": [folder.name for folder in list_styles(styles_home)],
    }


def _devices() -> list[str]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return gpus or [f"CPU ({torch.backends.cpu.get_cpu_capability()})"]


def _precisions(styles_home: Path) -> dict[str, Any]:
    """Which precision each style is run in here, and why: one sentence a network."""
    networks: dict[GeneratorConfig, list[str]] = {}
    problems = []
    for folder in list_styles(styles_home):
        try:
            networks.setdefault(load_stylepack(folder).network, []).append(folder.name)
        except StylePackError as error:
            problems.append(f"{folder.name} cannot be read: {error}.")
    chosen = {network: choose_precision(network) for network in networks}
    return {
        "precision": {
            name: chosen[network] for network, names in networks.items() for name in names
        },
        "precision_reasons": [
            f"{chosen[network]} for {', '.join(names)}: {_why(network)}"
            for network, names in networks.items()
        ],
        "style_problems": problems,
    }


def _why(network: GeneratorConfig) -> str:
    if torch.cuda.is_available():
        return f"this GPU has {'' if choose_precision(network) == 'bf16' else 'no '}bf16"
    found = probe_network(network)
    if found is None:
        return "this CPU has no instructions for bf16"
    times = f"{1e3 * found.bf16_s:.0f} against {1e3 * found.fp32_s:.0f} ms"
    return (
        f"bf16 takes {times} of fp32 for an image of 256 x 256 in one thread,"
        f" {found.speedup:.1f} times as fast (from {CLEARLY_FASTER} times on it is taken)"
    )


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
