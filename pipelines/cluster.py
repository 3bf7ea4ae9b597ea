"""A Dask client: of a cluster started here, or of an existing one that runs the same code."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError
from pipelines.preloading import WORKER_ENVIRONMENT, load_ahead
from pipelines.version import installed

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_TIMEOUT_S = 15
# Dask looks at its own processes up to 50 times a second. With two workers that took 69 ms of CPU time a
# second, while nothing was done; so it takes 13, and workers are interrupted less often.
_QUIET = {
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "1s",
    # Each connection keeps its last thousand messages for a debugger, with all items of all shards in them.
    "distributed.admin.low-level-log-length": 10,
    "distributed.worker.profile.enabled": False,  # it looks at the stack a hundred times a second
}
# Dask's own limit is 3 deaths of a shard; breadcrumbs give up on single images long before this.
_ALLOWED_DEATHS = 12


@contextmanager
def open_client(compute: ComputeConfig) -> Iterator["Client | None"]:
    """A connected client, closed afterwards; None means: work in this process."""
    if compute.scheduler:
        with _connect(compute.scheduler) as client:
            _check_workers(client, compute)
            yield client
    elif compute.workers == 0:
        yield None
    else:
        with _local_cluster(count_workers(compute)) as client:
            yield client


def count_workers(compute: ComputeConfig) -> int:
    """Worker processes to cut the work for: as many as asked for, else one a core of this host."""
    if compute.workers is not None:
        return max(1, compute.workers)
    from dask.system import CPU_COUNT  # knows container limits

    return CPU_COUNT


@contextmanager
def shared_cluster(compute: ComputeConfig) -> Iterator[ComputeConfig]:
    """One local cluster for several stages: starting and ending one takes seconds.

    Gives the configuration to call the stages with; the same one where no local cluster is wanted.
    """
    if compute.scheduler or compute.workers == 0:
        yield compute
        return
    workers = count_workers(compute)
    with _local_cluster(workers) as client:
        address = client.scheduler_info(n_workers=0)["address"]
        yield compute.model_copy(update={"scheduler": address, "workers": workers})


@contextmanager
def _local_cluster(workers: int) -> Iterator["Client"]:
    import dask
    from distributed import Client, LocalCluster

    from pipelines.quick_exit import QuickExit

    load_ahead()
    settings = (
        _QUIET
        | {
            "distributed.scheduler.allowed-failures": _ALLOWED_DEATHS,
            "distributed.worker.multiprocessing-method": "forkserver",
            "distributed.worker.use-file-locking": False,
        }
        | {
            f"distributed.nanny.pre-spawn-environ.{name}": value
            for name, value in WORKER_ENVIRONMENT.items()
        }
    )
    # It tells as news that a connection closed, at the end of every cluster.
    logging.getLogger("distributed.batched").setLevel(logging.WARNING)
    # One thread a process: image codecs and torch want a core each, and a crash takes one shard.
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else 8787, on every interface
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(QuickExit())
        yield client


@contextmanager
def _connect(address: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}.") from error
    with client:
        yield client


def _check_workers(client: "Client", compute: ComputeConfig) -> None:
    address = compute.scheduler
    if not client.nthreads():
        raise ClusterError(f"The Dask scheduler at {address} has no workers.")
    if compute.resource:
        _check_resource(client, compute.resource, address)
    # A worker that fails to answer must be named, and only the client's own errors may pass.
    answers: dict[str, Any] = client.run(installed, on_error="return")
    own = installed()
    for worker, found in sorted(answers.items()):
        if isinstance(found, BaseException):
            raise ClusterError(
                f"Worker {worker} of {address} cannot import GANST ({type(found).__name__}:"
                f" {found}): install GANST {own['GANST']} on it."
            )
        problem = _difference(found, own)
        if problem:
            raise ClusterError(
                f"Worker {worker} of {address} runs {problem}: install the same on both."
            )


def _check_resource(client: "Client", resource: str, address: str | None) -> None:
    """Dask itself would wait without end for a worker that has it."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = {name for worker in workers for name, number in worker["resources"].items() if number}
    if resource not in offered:
        raise ClusterError(
            f"No worker of {address} offers the resource {resource!r}"
            f" (offered: {', '.join(sorted(offered)) or 'none'}):"
            f' start workers with --resources "{resource}=1".'
        )


def _difference(found: dict[str, str], own: dict[str, str]) -> str | None:
    """`torch 2.12.0 (here 2.13.0)`, or None where a worker will do the same work."""
    for name in ("GANST", "torch"):
        if found[name] != own[name]:
            return f"{name} {found[name]} (here {own[name]})"
    # Of the same files only the moment of reading can differ: one of the two is older than an edit.
    if found["code"] != own["code"] and found["place"] != own["place"]:
        return (
            f"other code of GANST {found['GANST']}: {found['code'][:12]} (here {own['code'][:12]})"
        )
    return None
