"""Ranks on the workers of a real Dask cluster."""

import dataclasses
import os
import signal

import pytest
from distributed import Client

from ganst.models.stylepack import load_stylepack
from ganst.training.loop import TrainEvent
from pipelines.cluster import shared_cluster
from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.training.cluster import train_on_cluster
from tests.pipelines.trainings import make_job, make_pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def workers():
    with shared_cluster(ComputeConfig(workers=2)) as compute:
        yield compute


def test_a_rank_a_worker_survives_the_death_of_a_worker(workers, tmp_path, caplog):
    job = dataclasses.replace(
        make_job(make_pictures(tmp_path), tmp_path, images=120), ranks=2, checkpoint_every_s=0.0
    )
    with Client(workers.scheduler) as client:
        victims = list(client.run(os.getpid).values())
    events: list[TrainEvent] = []

    def kill_one(event: TrainEvent) -> None:
        events.append(event)
        if len(victims) > 1:
            os.kill(victims.pop(), signal.SIGKILL)

    folder = train_on_cluster(job, workers.scheduler, kill_one)
    assert "all 2 ranks start again (1 of 3)" in caplog.text
    card = load_stylepack(folder).card["training"]
    assert (card["images"], card["ranks"]) == (120, 2)
    assert events[-1].progress == 1
    assert {path.name for path in (tmp_path / ".training" / "ink").iterdir()} <= {
        "history.jsonl",
        "samples.png",
        "curve.png",
    }


def test_fewer_workers_than_ranks_are_refused(workers, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.training.cluster._MEETING_S", 0.5)
    job = dataclasses.replace(make_job(make_pictures(tmp_path), tmp_path), ranks=3)
    with pytest.raises(ClusterError, match="3 ranks need 3 workers, and the cluster has 2"):
        train_on_cluster(job, workers.scheduler, lambda _: None)
