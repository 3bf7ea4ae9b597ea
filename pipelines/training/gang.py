"""The ranks of one training as processes of this host, relaunched as a whole when one dies.

In-place restarts of single ranks are not attempted: a fresh rendezvous of all ranks from the last
checkpoint is what works every time.
"""

import dataclasses
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from ganst.errors import TrainingError
from ganst.training.loop import TrainEvent
from ganst.training.ranks import Ranks
from pipelines.training.folder import TrainingFolder
from pipelines.training.job import TrainJob
from pipelines.training.rank import check_beginning, open_training
from pipelines.training.stopping import StopRequest, stopped_sentence

_log = logging.getLogger(__name__)
MAX_RELAUNCHES = 3  # in a row without a new checkpoint
_TIMEOUT = timedelta(minutes=10)  # rank 0 evaluates while the others wait
_GRACE_S = 60.0  # for the checkpoint after a signal
_POLL_S = 0.5


@dataclass(slots=True)
class _Gang:
    """Processes of one launch, by rank, and what they told."""

    processes: list[SpawnProcess]
    pipes: list[Connection]
    num_images: int = 0
    is_finished: bool | None = None
    refusal: str | None = None
    failures: dict[int, str] = field(default_factory=dict)


def run_gang(job: TrainJob, tell: Callable[[TrainEvent], None]) -> Path:
    """Train with `job.ranks` processes; the folder of the finished pack.

    Raises:
        TrainingError: What one rank would raise, more ranks than GPUs, or the gang died too often.
        TrainingStopped: By a signal, with a checkpoint.

    """
    _check_gpus(job.ranks)
    folder = TrainingFolder.beside(job.out)
    check_beginning(job)
    with StopRequest() as stop:
        gang = _launch_until_done(job, tell, stop, folder)
    if not gang.is_finished:
        stop.pass_on(stopped_sentence(gang.num_images, has_checkpoint=folder.has_checkpoint()))
    return job.out


def _check_gpus(num_ranks: int) -> None:
    """NCCL refuses two ranks on one GPU, but only when they meet, and in words of its own."""
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else num_ranks
    if num_ranks > num_gpus:
        raise TrainingError(
            f"{num_ranks} ranks need as many GPUs, this host has {num_gpus}; with CUDA_VISIBLE_DEVICES="
            " they train on the CPU"
        )


def relaunched(job: TrainJob, folder: TrainingFolder) -> TrainJob:
    """The job that goes on where a dead gang was last saved."""
    return dataclasses.replace(job, begin="resume") if folder.has_checkpoint() else job


def _launch_until_done(
    job: TrainJob, tell: Callable[[TrainEvent], None], stop: StopRequest, folder: TrainingFolder
) -> _Gang:
    num_relaunches = 0
    while True:
        saved_before = saved_at(folder)
        gang = _launch(job, tell, stop)
        if gang.refusal is not None:
            raise TrainingError(gang.refusal)
        if gang.is_finished is not None or stop.is_set():
            return gang
        num_relaunches = 1 if saved_at(folder) != saved_before else num_relaunches + 1
        reason = "; ".join(f"rank {rank} {why}" for rank, why in sorted(gang.failures.items()))
        if num_relaunches > MAX_RELAUNCHES:
            raise TrainingError(f"the ranks died {num_relaunches} times in a row: {reason}")
        job = relaunched(job, folder)
        _log.warning(
            "%s: all %d ranks start again from %s (%d of %d)",
            reason,
            job.ranks,
            "the last checkpoint" if job.begin == "resume" else "the beginning",
            num_relaunches,
            MAX_RELAUNCHES,
        )


def saved_at(folder: TrainingFolder) -> int:
    """When the last checkpoint was written, 0 for never."""
    return folder.checkpoint.stat().st_mtime_ns if folder.has_checkpoint() else 0


def _launch(job: TrainJob, tell: Callable[[TrainEvent], None], stop: StopRequest) -> _Gang:
    """Run all ranks until they end, or until one has died and the others were ended."""
    with tempfile.TemporaryDirectory(prefix="ganst-ranks-") as meeting:
        gang = _start(job, Path(meeting) / "store")
        try:
            _listen(gang, tell, stop)
            _note_causes(gang)
        finally:
            _end(gang)
    return gang


def _start(job: TrainJob, store: Path) -> _Gang:
    context = get_context("spawn")
    processes, pipes = [], []
    for rank in range(job.ranks):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_rank_process, args=(job, rank, store, theirs))
        process.start()
        theirs.close()
        processes.append(process)
        pipes.append(ours)
    return _Gang(processes, pipes)


def _listen(gang: _Gang, tell: Callable[[TrainEvent], None], stop: StopRequest) -> None:
    """Pass on what the ranks tell until all have ended well, or one has not."""
    was_asked = False
    while not gang.failures:
        if stop.is_set() and not was_asked:
            gang.processes[0].terminate()  # it tells the others between two steps
            was_asked = True
        if not _hear(gang, tell) and not any(p.is_alive() for p in gang.processes):
            break
        _note_deaths(gang)
    # A rank that had ended well when the signal found it has told so before it died.
    while _hear(gang, tell, wait_s=0.0):
        pass


def _hear(gang: _Gang, tell: Callable[[TrainEvent], None], wait_s: float = _POLL_S) -> bool:
    """Take in what arrives within `wait_s`; False where nothing does."""
    heard = False
    for pipe in [p for p in wait(gang.pipes, wait_s) if isinstance(p, Connection)]:
        try:
            kind, value = pipe.recv()
        except EOFError:
            gang.pipes.remove(pipe)
            continue
        heard = True
        _take(gang, kind, value, tell)
    return heard


def _take(gang: _Gang, kind: str, value: Any, tell: Callable[[TrainEvent], None]) -> None:  # noqa: ANN401
    if kind == "event":
        gang.num_images = value.num_images
        tell(value)
    elif kind == "log":
        _log.log(*value)
    elif kind == "end":
        gang.is_finished = value
    elif kind == "refusal":
        gang.refusal = value
    else:
        rank, why = value
        gang.failures[rank] = why


def _note_deaths(gang: _Gang) -> None:
    for rank, process in enumerate(gang.processes):
        if process.exitcode:
            number = -process.exitcode
            how = signal.Signals(number).name if number > 0 else f"exit status {process.exitcode}"
            gang.failures.setdefault(rank, f"died ({how})")


def _note_causes(gang: _Gang) -> None:
    """Where ranks failed, find the one whose death they failed of.

    The sockets of a killed process close before it can be waited for.
    """
    if gang.failures:
        for process in gang.processes:
            process.join(_POLL_S)
        _note_deaths(gang)


def _end(gang: _Gang) -> None:
    """No process of the gang outlives this; one that was told to stop may finish its checkpoint."""
    for process in gang.processes:
        if gang.failures or gang.refusal:
            process.kill()
        process.join(_GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
    for pipe in gang.pipes:
        pipe.close()


def _rank_process(job: TrainJob, rank: int, store: Path, pipe: Connection) -> None:
    """Body of one process. Ctrl-C reaches all processes of a terminal; the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The ranks of one host need no other interface, and its name need not be known to a resolver.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback())
    if rank == 0:
        logging.getLogger().addHandler(_PipeHandler(pipe))
        logging.getLogger().setLevel(logging.INFO)
    threads = job.threads or max(1, (os.cpu_count() or 1) // job.ranks)
    job = dataclasses.replace(job, threads=threads)
    with StopRequest() as stop:
        _tell_end(job, rank, dist.FileStore(str(store), job.ranks), pipe, stop)


def _tell_end(
    job: TrainJob, rank: int, store: dist.Store, pipe: Connection, stop: StopRequest
) -> None:
    try:
        is_finished = run_member(
            job,
            rank,
            store,
            tell=lambda event: pipe.send(("event", event)) if rank == 0 else None,
            is_stopped=stop.is_set,
        )
    except TrainingError as error:
        pipe.send(("refusal", str(error)))
    except Exception as error:  # noqa: BLE001 the boundary of a process: the parent tells it
        pipe.send(("failure", (rank, f"failed: {type(error).__name__}: {_first_line(error)}")))
    else:
        if rank == 0:
            pipe.send(("end", is_finished))


def run_member(
    job: TrainJob,
    rank: int,
    store: dist.Store,
    *,
    tell: Callable[[TrainEvent], None],
    is_stopped: Callable[[], bool],
) -> bool:
    """One rank's training in this process, as a member of the group that meets at `store`."""
    with _group(job, rank, store):
        training = open_training(job, Ranks(rank, job.ranks))
        return training.run(tell, is_stopped)


@contextmanager
def _group(job: TrainJob, rank: int, store: dist.Store) -> Iterator[None]:
    """The number of ranks is the job's: it is never guessed from who happens to be there."""
    # Gradients go from GPU to GPU, what is agreed on from host to host.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=job.ranks, timeout=_TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def loopback() -> str:
    """Name of the network interface that leads to this host itself."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name in ("lo", "lo0")), names[0])


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


class _PipeHandler(logging.Handler):
    """What rank 0 logs is logged by the parent."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.INFO)
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Send level and text."""
        if record.name.startswith(("ganst", "pipelines")):
            self._pipe.send(("log", (record.levelno, record.getMessage())))
