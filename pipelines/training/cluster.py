"""The ranks of one training on the workers of an existing Dask cluster, one on each.

The folder of the styles and the pictures must be the same paths on all of them. Dask places the ranks
and says who died; what the ranks tell each other goes through torch.distributed.
"""

import contextlib
import dataclasses
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import torch.distributed as dist

from ganst.errors import TrainingError
from ganst.training.loop import TrainEvent
from pipelines.cluster import open_client
from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.training.folder import TrainingFolder
from pipelines.training.gang import MAX_RELAUNCHES, loopback, relaunched, run_member, saved_at
from pipelines.training.job import TrainJob
from pipelines.training.rank import check_beginning
from pipelines.training.stopping import StopRequest, stopped_sentence

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)
_MEETING_S = 60.0
_TELL_EVERY_S = 0.5
_POLL_S = 0.5
_LOST_AFTER_S = 60.0  # without a sign of the driver, the ranks save and end


def train_on_cluster(job: TrainJob, scheduler: str, tell: Callable[[TrainEvent], None]) -> Path:
    """Train with `job.ranks` workers of the cluster; the folder of the finished pack.

    Raises:
        TrainingError: What one rank would raise, or the ranks died too often.
        ClusterError: No such scheduler, or fewer workers than ranks.
        TrainingStopped: By a signal, with a checkpoint.

    """
    check_beginning(job)
    told: list[TrainEvent] = []

    def hear(event: tuple[float, dict[str, Any]]) -> None:
        told.append(TrainEvent(**event[1]["event"]))
        tell(told[-1])

    with open_client(ComputeConfig(scheduler=scheduler)) as client, StopRequest() as stop:
        assert client is not None
        topic = f"ganst-train-{uuid.uuid4().hex}"
        client.subscribe_topic(topic, hear)
        try:
            is_finished = _launch_until_done(client, job, topic, stop)
        finally:
            client.unsubscribe_topic(topic)
    if not is_finished:
        has_checkpoint = TrainingFolder.beside(job.out).has_checkpoint()
        num_images = told[-1].num_images if told else 0
        stop.pass_on(stopped_sentence(num_images, has_checkpoint=has_checkpoint))
    return job.out


def _launch_until_done(client: "Client", job: TrainJob, topic: str, stop: StopRequest) -> bool:
    folder, num_relaunches = TrainingFolder.beside(job.out), 0
    while True:
        saved_before = saved_at(folder)
        try:
            return _launch(client, job, topic, stop)
        except _RankDiedError as died:
            if stop.is_set():
                return False
            num_relaunches = 1 if saved_at(folder) != saved_before else num_relaunches + 1
            if num_relaunches > MAX_RELAUNCHES:
                raise TrainingError(
                    f"the ranks died {num_relaunches} times in a row: {died}"
                ) from died
            job = relaunched(job, folder)
            _log.warning(
                "%s: all %d ranks start again (%d of %d)",
                died,
                job.ranks,
                num_relaunches,
                MAX_RELAUNCHES,
            )


class _RankDiedError(Exception):
    """A worker with a rank is gone, or a rank lost the others."""


def _launch(client: "Client", job: TrainJob, topic: str, stop: StopRequest) -> bool:
    """One rank on each of the first workers; True if the budget is spent."""
    workers = _pick_workers(client, job.ranks)
    sign = _SignOfLife(TrainingFolder.beside(job.out).root / "driver")
    sign.give()
    host = urlsplit(workers[0]).hostname or "127.0.0.1"
    port = client.submit(_free_port, workers=workers[:1], pure=False).result()
    futures = [
        client.submit(
            _rank_on_worker,
            *(job, rank, (host, port), topic),
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        for rank, address in enumerate(workers)
    ]
    try:
        return _wait(client, futures, workers, sign, stop)
    finally:
        sign.end()
        _settle(client, futures, workers)


def _pick_workers(client: "Client", ranks: int) -> list[str]:
    """Always as many as there are ranks: a worker that died may be on its way back."""
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(ranks, timeout=_MEETING_S)
    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    if len(workers) < ranks:
        raise ClusterError(
            f"{ranks} ranks need {ranks} workers, and the cluster has {len(workers)}."
        )
    return workers[:ranks]


def _wait(
    client: "Client", futures: list[Any], workers: list[str], sign: "_SignOfLife", stop: StopRequest
) -> bool:
    while not all(future.done() for future in futures):
        if stop.is_set():
            sign.end()
        else:
            sign.give()
        _check(client, futures, workers)
        time.sleep(_POLL_S)
    _check(client, futures, workers)
    return futures[0].result()


def _check(client: "Client", futures: list[Any], workers: list[str]) -> None:
    """Raise for the first rank that failed, or whose worker is gone before it had ended."""
    alive = client.scheduler_info(n_workers=-1)["workers"]
    for rank, (future, address) in enumerate(zip(futures, workers, strict=True)):
        if future.status == "error":
            error = future.exception()
            if isinstance(error, TrainingError):
                raise error
            raise _RankDiedError(f"rank {rank} failed: {type(error).__name__}: {error}")
        if not future.done() and address not in alive:
            raise _RankDiedError(f"rank {rank} died with its worker {address}")


def _settle(client: "Client", futures: list[Any], workers: list[str]) -> None:
    """Ranks that lost one another end within seconds; a new gang must not meet them."""
    limit = time.monotonic() + _MEETING_S
    for future, address in zip(futures, workers, strict=True):
        while not future.done() and time.monotonic() < limit:
            if address not in client.scheduler_info(n_workers=-1)["workers"]:
                break
            time.sleep(_POLL_S)
    client.cancel(futures)


@dataclasses.dataclass(slots=True)
class _SignOfLife:
    """A file that the driver touches: gone means stop, and so does one that nobody touches."""

    path: Path
    _seen: int = 0
    _seen_at: float = 0.0

    def give(self) -> None:
        """The driver is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def end(self) -> None:
        """The ranks are to stop."""
        self.path.unlink(missing_ok=True)

    def is_gone(self) -> bool:
        """Asked by the first rank; clocks of other machines do not matter."""
        try:
            stamp = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return True
        if stamp != self._seen:
            self._seen, self._seen_at = stamp, time.monotonic()
        return time.monotonic() - self._seen_at > _LOST_AFTER_S


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _rank_on_worker(job: TrainJob, rank: int, meeting: tuple[str, int], topic: str) -> bool:
    """Body of the task: True if the budget is spent."""
    from distributed import get_worker

    worker = get_worker()
    host, port = meeting
    if host.startswith("127."):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback())
    store = dist.TCPStore(
        host, port, job.ranks, is_master=rank == 0, timeout=timedelta(seconds=_MEETING_S)
    )
    sign = _SignOfLife(TrainingFolder.beside(job.out).root / "driver")
    told_at = 0.0

    def tell(event: TrainEvent) -> None:
        nonlocal told_at
        now = time.monotonic()
        if rank == 0 and (now - told_at >= _TELL_EVERY_S or event.progress >= 1):
            told_at = now
            worker.log_event(topic, {"event": dataclasses.asdict(event)})

    threads = job.threads or max(1, worker.state.nthreads)
    job = dataclasses.replace(job, threads=threads)
    return run_member(job, rank, store, tell=tell, is_stopped=lambda: rank == 0 and sign.is_gone())
