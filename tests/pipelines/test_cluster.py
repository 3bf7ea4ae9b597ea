import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client, Future, LocalCluster
from distributed.comm import CommClosedError
from distributed.protocol.serialize import Serialized

from pipelines import cluster
from pipelines.cluster import open_client, shared_cluster
from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.fan_out import fan_out
from pipelines.ingest import ingest
from pipelines.progress import Progress
from pipelines.runs import load_run
from pipelines.stylize import stylize
from pipelines.stylized import read_stylized
from pipelines.version import installed
from tests.pipelines.bulk_job import NUM_PHOTOS, outcome

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workers():
    with shared_cluster(ComputeConfig(workers=2)) as compute:
        yield compute


def square(x: int) -> int:
    if x == 3:
        raise ZeroDivisionError("three")
    return x * x


@pytest.mark.parametrize("where", ["here", "dask"])
def test_every_item_comes_back_once_with_its_result_or_its_error(where):
    if where == "here":
        outcomes = list(fan_out(None, square, range(20)))
    else:
        with Client(processes=False, dashboard_address=None) as client:
            outcomes = list(fan_out(client, square, range(20)))
    found = {item: result for item, result, error in outcomes if error is None}
    assert found == {x: x * x for x in range(20) if x != 3}
    assert [(item, str(error)) for item, _, error in outcomes if error] == [(3, "three")]


def test_what_was_sent_to_the_workers_is_not_kept(workers):
    def num_sent() -> int:
        return sum(type(found) is Serialized for found in gc.get_objects())

    with open_client(workers) as client:
        before = num_sent()  # clients of other tests are not gone yet
        outcomes = list(fan_out(client, square, range(10, 110)))
        kept = num_sent() - before
    assert len(outcomes) == 100
    assert kept < 30  # by default all hundred, for a debugger


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(ClusterError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"),
        open_client(ComputeConfig(scheduler="tcp://127.0.0.1:9")),
    ):
        pass


def test_a_scheduler_without_workers_is_refused():
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty,
        pytest.raises(ClusterError, match="has no workers"),
        open_client(ComputeConfig(scheduler=empty.scheduler_address)),
    ):
        pass


def test_a_scheduler_that_goes_away_ends_the_stage_and_not_its_images():
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as brief:
        client = Client(brief)
        outcomes = fan_out(client, time.sleep, [0, 0, 2, 2])
        next(outcomes)
        client.close()
        with pytest.raises(ClusterError, match="went away"):
            list(outcomes)


OWN = installed()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"place": "elsewhere:/opt"}, None),
        ({"code": "0" * 64}, None),  # of the same files, read before an edit
        ({"code": "0" * 64, "place": "elsewhere:/opt"}, "other code of GANST .*: 000000000000"),
        ({"GANST": "0.0.1"}, r"GANST 0\.0\.1 \(here "),
        ({"torch": "1.0"}, rf"torch 1\.0 \(here {re.escape(OWN['torch'])}\)"),
    ],
)
def test_a_worker_that_would_not_do_the_same_work_is_refused(changes, problem, monkeypatch):
    monkeypatch.setattr(cluster, "installed", lambda: OWN | changes if in_worker() else OWN)
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as here:
        client = open_client(ComputeConfig(scheduler=here.scheduler_address))
        if problem is None:
            with client:
                return
        address = re.escape(here.scheduler_address)
        with (
            pytest.raises(ClusterError, match=f"Worker inproc.* of {address} runs {problem}"),
            client,
        ):
            pass


def in_worker() -> bool:
    return threading.current_thread() is not threading.main_thread()


@pytest.mark.slow
def test_an_existing_cluster_gives_what_one_process_gives(tmp_path, job, workers):
    run = job.open(tmp_path / "RUN")
    ingest(run, workers)
    summary = stylize(run, workers)
    assert (summary.done, summary.failed) == (NUM_PHOTOS, ())
    assert outcome(run.folder) == job.undisturbed


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path, job, workers):
    run = job.open(tmp_path / "RUN")
    ingest(run, workers)
    with Client(workers.scheduler) as client:
        victims = list(client.run(os.getpid).values())

    def kill_one(_progress: Progress) -> None:
        if len(victims) > 1:
            os.kill(victims.pop(), signal.SIGKILL)

    summary = stylize(run, workers, kill_one)
    assert len(victims) == 1
    assert (summary.done, summary.rejected, summary.failed) == (NUM_PHOTOS, 0, ())
    assert outcome(run.folder) == job.undisturbed


@pytest.mark.slow
@pytest.mark.timeout(300)  # two commands from cold, 15 s on an idle machine
def test_a_killed_command_goes_on_where_it_was(tmp_path, job):
    out = tmp_path / "RUN"
    command = [sys.executable, "-m", "tests.pipelines.driver", job.photos, out, job.pack.path]
    with subprocess.Popen(command, cwd=ROOT) as driver:
        kill_after_a_part(driver, out / "shards" / "stylize")
    done = len(read_stylized(load_run(str(out), None).folder))
    assert 0 < done < NUM_PHOTOS
    subprocess.run(command, cwd=ROOT, check=True)
    assert outcome(load_run(str(out), None).folder) == job.undisturbed


def kill_after_a_part(driver: subprocess.Popen, parts: Path) -> None:
    while not list(parts.glob("[!.]*.parquet")):
        assert driver.poll() is None, "the command ended before it could be killed"
        time.sleep(0.005)
    children = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    # Its workers notice by themselves; a part that is half way must not count as the driver's.
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_a_scheduler_that_goes_away_while_a_result_is_fetched_is_said_in_one_sentence(
    workers, monkeypatch
):
    def broken(_future: Future) -> None:
        raise CommClosedError("reset by peer")

    with open_client(workers) as client:
        monkeypatch.setattr(Future, "result", broken)
        with pytest.raises(ClusterError, match="went away during the work: reset by peer"):
            list(fan_out(client, square, [1]))
