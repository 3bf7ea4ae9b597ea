"""Faults of whole processes on an external cluster."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client

from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.fan_out import fan_out
from pipelines.ingest import ingest
from pipelines.progress import Progress
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from tests.pipelines.bulk_job import NUM_PHOTOS, SERIAL, outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]


def start(*command: str, code: Path = ROOT) -> "subprocess.Popen[str]":
    """A process that finds GANST in the folder `code`."""
    environment = {**os.environ, "PYTHONPATH": str(code)}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=code,
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
def dask_scheduler() -> Iterator[tuple[str, list["subprocess.Popen[str]"]]]:
    """A `dask scheduler`: its address, and a list that ends with the block."""
    scheduler = start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
    )
    processes = [scheduler]
    try:
        assert scheduler.stderr
        lines = iter(scheduler.stderr.readline, "")
        found = (re.search(r"Scheduler at:\s+(tcp://\S+)", line) for line in lines)
        yield next(match[1] for match in found if match), processes
    finally:
        for process in reversed(processes):
            end(process)


def start_worker(address: str, folder: Path, *options: str, code: Path = ROOT):
    """A `dask worker` with its nanny, which need not have joined yet."""
    usual = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
    return start("distributed.cli.dask_worker", address, *usual, *options, code=code)


def wait_for_workers(address: str, number: int) -> None:
    with Client(address) as client:
        client.wait_for_workers(number, timeout=120)


@contextmanager
def external_cluster(folder: Path) -> Iterator[tuple[str, list["subprocess.Popen[str]"]]]:
    """`dask scheduler` and two `dask worker`: the address, and the processes in that order."""
    with dask_scheduler() as (address, processes):
        processes += [start_worker(address, folder) for _ in range(2)]
        wait_for_workers(address, 2)
        yield address, processes


def copy_code(folder: Path, edited: str, text: str) -> Path:
    """The source of GANST elsewhere, one file of it replaced."""
    for package in ("ganst", "pipelines"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("styles*"))
    (folder / edited).write_text(text)
    return folder


OTHER_CODES = {
    "without it": (
        "pipelines/__init__.py",
        "raise ImportError('not installed')",
        "cannot import GANST",
    ),
    "edited": ("ganst/pixels.py", "# other pixels\n", r"runs other code of GANST .* \(here "),
    "another version": (
        "pipelines/version.py",
        (ROOT / "pipelines/version.py").read_text()
        + "\ndef package_version():\n    return '0.0.1'\n",
        r"runs GANST 0\.0\.1 \(here ",
    ),
}


@pytest.mark.parametrize("which", OTHER_CODES)
def test_a_worker_with_other_code_is_refused_by_its_address(which, tmp_path):
    edited, text, problem = OTHER_CODES[which]
    code = copy_code(tmp_path / "code", edited, text)
    with dask_scheduler() as (address, processes):
        processes.append(start_worker(address, tmp_path, code=code))
        wait_for_workers(address, 1)
        sentence = rf"Worker tcp://127\.0\.0\.1:\d+ of {re.escape(address)} {problem}"
        with (
            pytest.raises(ClusterError, match=sentence),
            open_client(ComputeConfig(scheduler=address)),
        ):
            pass


def test_a_resource_that_nobody_offers_is_refused_and_one_that_is_offered_is_used(tmp_path):
    with dask_scheduler() as (address, processes):
        processes += [
            start_worker(address, tmp_path),
            start_worker(address, tmp_path, "--resources", "GPU=1"),
        ]
        wait_for_workers(address, 2)
        with (
            pytest.raises(ClusterError, match=r"offers the resource 'TPU' \(offered: GPU\)"),
            open_client(ComputeConfig(scheduler=address, resource="TPU")),
        ):
            pass
        with open_client(ComputeConfig(scheduler=address, resource="GPU")) as client:
            assert client
            used = {who for _, who, _ in fan_out(client, process_of, range(8), resource="GPU")}
            workers = client.scheduler_info(n_workers=-1)["workers"]
            offering = [w for w, facts in workers.items() if facts["resources"]]
            assert used == set(client.run(os.getpid, workers=offering).values())


def process_of(_item: int) -> int:
    return os.getpid()


def test_an_external_cluster_survives_a_killed_nanny_and_not_its_scheduler(tmp_path, job):
    run = job.open(tmp_path / "RUN")
    with external_cluster(tmp_path) as (address, processes):
        compute = ComputeConfig(scheduler=address, workers=2)
        ingest(run, compute)
        nanny = processes[1]

        def kill_nanny(_progress: Progress) -> None:
            nanny.send_signal(signal.SIGKILL)

        summary = stylize(run, compute, kill_nanny)
        assert (summary.done, summary.rejected, summary.failed) == (NUM_PHOTOS, 0, ())
        assert outcome(run.folder) == job.undisturbed

        def kill_scheduler(_progress: Progress) -> None:
            processes[0].send_signal(signal.SIGKILL)

        other = job.open(tmp_path / "OTHER")
        ingest(other, SERIAL)
        with pytest.raises(ClusterError, match="went away"):
            stylize(other, compute, kill_scheduler)
    assert 0 < len(read_stylized(other.folder)) < NUM_PHOTOS
    stylize(other, SERIAL)
    assert outcome(other.folder) == job.undisturbed
