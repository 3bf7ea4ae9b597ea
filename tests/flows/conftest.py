"""A home with one small untrained style, a folder of photos, and Prefect in its harness."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from ganst.models.generator import ResnetGenerator
from ganst.models.presets import PRESETS
from ganst.models.stylepack import save_stylepack

GANST = [sys.executable, "-m", "flows.cli"]


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """A GANST_HOME that holds the style "tiny": random weights, no calibration."""
    folder = tmp_path_factory.mktemp("home")
    config = PRESETS["tiny"].generator
    rng = torch.Generator().manual_seed(0)
    networks = {name: ResnetGenerator(config) for name in ("final", "early")}
    for network in networks.values():
        for weight in network.parameters():
            weight.data = torch.randn(weight.shape, generator=rng) * 0.1
    save_stylepack(folder / "styles" / "tiny", networks, {})
    return folder


@pytest.fixture
def in_home(home, monkeypatch) -> Path:
    monkeypatch.setenv("GANST_HOME", str(home))
    return home


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three photos in two folders, one of them with an unpleasant name, and an empty file."""
    folder = tmp_path / "photos"
    (folder / "a b").mkdir(parents=True)
    for index, name in enumerate(["1.jpg", "a b/2.png", "näme & <b>.jpg"]):
        image = Image.new("RGB", (90, 70), (40 * index, 120, 200))
        ImageDraw.Draw(image).ellipse((10, 10, 60, 50), fill=(200, 50 * index, 30))
        image.save(folder / name)
    (folder / "empty.jpg").touch()
    return folder


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory) -> Path:
    """Where embedded servers of the session keep their database: making one takes 10 s."""
    return tmp_path_factory.mktemp("prefect-home")


@pytest.fixture(scope="session")
def prefect_harness(tmp_path_factory) -> Iterator[None]:
    """A Prefect server for the session, without the services that lock its small database."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        PREFECT_SERVER_ANALYTICS_ENABLED,
        PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED,
        PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    off: dict[Any, Any] = {
        PREFECT_HOME: tmp_path_factory.mktemp("prefect"),
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED: False,
        PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED: False,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
    }
    with temporary_settings(off), prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def ganst(home, prefect_home) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start the command line as a process of its own; what still runs at the end is killed."""
    started = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*GANST, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "GANST_HOME": str(home),
                "PREFECT_HOME": str(prefect_home),
                "PREFECT_API_URL": "",
            },
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
