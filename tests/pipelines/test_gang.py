import dataclasses
import logging
import os
import signal
import time
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from ganst.errors import TrainingError
from ganst.models.stylepack import load_stylepack
from ganst.training.loop import TrainEvent
from pipelines.train import train
from pipelines.training.gang import _Gang, _listen
from pipelines.training.stopping import StopRequest
from tests.fake_gpu import fake_gpu
from tests.pipelines.trainings import (
    command,
    make_job,
    make_pictures,
    run,
    start,
    wait_for_checkpoint,
)

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


def _curve(job) -> list[TrainEvent]:
    events: list[TrainEvent] = []
    train(job, events.append)
    return events


def test_two_ranks_train_as_one_with_twice_the_batch(folders, tmp_path: Path):
    job = make_job(folders, tmp_path / "two", images=200)  # 50 steps
    # Sums in another order differ in the last bit. At the usual rate Adam and the kinks of L1 make a
    # tenth of it within 50 steps, at 1e-5 two parts in 10,000, at this one four in a million.
    slow = dataclasses.replace(job.config, learning_rate=3e-6, warm_up=0.0)
    job = dataclasses.replace(job, config=slow)
    two = _curve(dataclasses.replace(job, ranks=2))
    doubled = dataclasses.replace(slow, batch_size=2 * slow.batch_size)
    one = _curve(dataclasses.replace(job, out=tmp_path / "one" / "ink", config=doubled))
    assert len(two) == 50
    for ours, theirs in zip(two, one, strict=True):
        assert ours.losses == pytest.approx(theirs.losses, rel=1e-4, abs=1e-6), ours.step


def test_more_ranks_than_gpus_are_refused_before_they_start(folders, tmp_path):
    job = dataclasses.replace(make_job(folders, tmp_path), ranks=2)
    with (
        fake_gpu(),
        pytest.raises(TrainingError, match="2 ranks need as many GPUs, this host has 1"),
    ):
        train(job)


def test_a_gang_whose_rank_is_killed_starts_again_from_the_last_checkpoint(folders, tmp_path):
    straight = load_stylepack(
        train(dataclasses.replace(make_job(folders, tmp_path / "straight", images=80), ranks=2))
    )
    with start(*command(folders, tmp_path, "--images", "80", "--ranks", "2")) as process:
        wait_for_checkpoint(process, tmp_path)
        os.kill(_ranks(process.pid)[1], signal.SIGKILL)
        _, told = process.communicate(timeout=100)
    assert process.returncode == 0, told
    assert "rank 1 died (SIGKILL)" in told
    assert "all 2 ranks start again from the last checkpoint (1 of 3)" in told
    assert load_stylepack(tmp_path / "ink").digest == straight.digest


def test_ctrl_c_ends_all_ranks_and_leaves_a_checkpoint(folders, tmp_path: Path):
    args = ("--images", "1000", "--ranks", "2")  # far from done when the signal comes
    with start(*command(folders, tmp_path, *args)) as process:
        wait_for_checkpoint(process, tmp_path)
        ranks = _ranks(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "with --resume goes on from here" in told
    assert not any(psutil.pid_exists(pid) for pid in ranks)
    assert run(*command(folders, tmp_path, *args, "--resume")).returncode == 0


def test_ctrl_c_before_the_first_checkpoint_does_not_promise_one(folders, tmp_path: Path):
    args = command(folders, tmp_path, "--images", "8", "--ranks", "2")
    with start(*args) as process:
        while len(_ranks(process.pid)) < 2:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped before the first checkpoint; the same command begins again" in told
    assert run(*args).returncode == 0


def test_a_rank_that_had_finished_before_the_signal_reached_it_has_finished():
    ours, theirs = Pipe(duplex=False)
    ended = SimpleNamespace(
        exitcode=-signal.SIGTERM, is_alive=lambda: False, terminate=lambda: None
    )
    for message in (("log", (logging.INFO, "saved")), ("end", True)):
        theirs.send(message)
    gang = _Gang([cast("SpawnProcess", ended)], [ours])
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        _listen(gang, lambda _event: None, stop)
    assert gang.is_finished is True


def test_what_one_rank_refuses_the_command_refuses(folders, tmp_path: Path):
    job = dataclasses.replace(make_job(folders, tmp_path), ranks=2, paintings=tmp_path)
    with pytest.raises(TrainingError, match="holds no usable picture"):
        train(job)


def _ranks(pid: int) -> list[int]:
    """Process ids of the ranks in their order; the helper of multiprocessing is none."""
    children = psutil.Process(pid).children()
    ranks = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return [child.pid for child in sorted(ranks, key=lambda child: child.create_time())]
