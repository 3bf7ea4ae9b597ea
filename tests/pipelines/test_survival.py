"""Faults of whole processes on an external cluster."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client

from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.ingest import ingest
from pipelines.progress import Progress
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.photo_folders import make_photos, make_run, make_style, tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERIAL = ComputeConfig(workers=0)
ROOT = Path(__file__).parents[2]
NUM_PHOTOS = 24


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return make_style(tmp_path_factory.mktemp("styles"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("album") / "photos", NUM_PHOTOS, (400, 300))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, photos, pack):
    run = make_run(photos, tmp_path_factory.mktemp("serial") / "RUN", pack, shard_size=4)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    return outcome(run.folder)


def outcome(folder) -> tuple[list[dict], dict[str, bytes]]:
    return read_stylized(folder).to_pylist(), tree(Path(str(folder.root / "images")))


def start(*command: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a process and what it started, by their ids."""
    family = []
    if psutil.pid_exists(process.pid):
        family = psutil.Process(process.pid).children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.kill()
    process.communicate()


@contextmanager
def external_cluster(folder: Path) -> Iterator[tuple[str, list["subprocess.Popen[str]"]]]:
    """`dask scheduler` and two `dask worker`: the address, and the processes in that order."""
    scheduler = start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
    )
    processes = [scheduler]
    try:
        assert scheduler.stderr
        lines = iter(scheduler.stderr.readline, "")
        found = (re.search(r"Scheduler at:\s+(tcp://\S+)", line) for line in lines)
        address = next(match[1] for match in found if match)
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
        worker = ["distributed.cli.dask_worker", address, *options]
        processes += [start(*worker), start(*worker)]
        with Client(address) as client:
            client.wait_for_workers(2, timeout=120)
        yield address, processes
    finally:
        for process in reversed(processes):
            end(process)


def test_an_external_cluster_survives_a_killed_nanny_and_not_its_scheduler(
    tmp_path, photos, pack, undisturbed
):
    run = make_run(photos, tmp_path / "RUN", pack, shard_size=4)
    with external_cluster(tmp_path) as (address, processes):
        compute = ComputeConfig(scheduler=address, workers=2)
        ingest(run, compute)
        nanny = processes[1]

        def kill_nanny(_progress: Progress) -> None:
            nanny.send_signal(signal.SIGKILL)

        summary = stylize(run, compute, kill_nanny)
        assert (summary.done, summary.rejected, summary.failed) == (NUM_PHOTOS, 0, ())
        assert outcome(run.folder) == undisturbed

        def kill_scheduler(_progress: Progress) -> None:
            processes[0].send_signal(signal.SIGKILL)

        other = make_run(photos, tmp_path / "OTHER", pack, shard_size=4)
        ingest(other, SERIAL)
        with pytest.raises(ClusterError, match="went away"):
            stylize(other, compute, kill_scheduler)
    assert 0 < len(read_stylized(other.folder)) < NUM_PHOTOS
    stylize(other, SERIAL)
    assert outcome(other.folder) == undisturbed
