"""Shards to Dask workers and back, a bounded window at a time; a plain loop is the reference."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.errors import ClusterError
from pipelines.interrupts import pause

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")
Outcome = tuple[T, R | None, Exception | None]

_POLL_S = 0.05  # each worker has another shard waiting meanwhile


def fan_out(
    client: "Client | None",
    fn: Callable[..., R],
    items: Iterable[T],
    *args: Any,  # noqa: ANN401 whatever `fn` takes
    resource: str | None = None,
) -> Iterator[Outcome[T, R]]:
    """Yield `(item, fn(item, *args), None)`, or `(item, None, error)`, as items finish.

    Each takes one `resource` of its Dask worker meanwhile. An error stops its item only.
    `ClusterError`, raised: the scheduler is gone.
    """
    if client is None:
        yield from _in_this_process(fn, items, *args)
    else:
        yield from _on_cluster(client, fn, items, *args, resource=resource)


def _in_this_process(
    fn: Callable[..., R],
    items: Iterable[T],
    *args: Any,  # noqa: ANN401
) -> Iterator[Outcome[T, R]]:
    for item in items:
        try:
            result = fn(item, *args)
        except Exception as error:  # noqa: BLE001 the boundary: a bug fails its shard, others go on
            yield item, None, error
        else:
            yield item, result, None


def _on_cluster(
    client: "Client",
    fn: Callable[..., R],
    items: Iterable[T],
    *args: Any,  # noqa: ANN401
    resource: str | None,
) -> Iterator[Outcome[T, R]]:
    from distributed import CancelledError, as_completed  # half a second, not needed to plan
    from distributed.comm import CommClosedError

    waiting = iter(items)
    owner: dict[Any, T] = {}
    wanted = {resource: 1} if resource else None

    def submit(item: T) -> Any:  # noqa: ANN401 a Future, untyped in Dask
        # Not pure: what is done is known from the committed parts, not from Dask's keys.
        future = client.submit(fn, item, *args, pure=False, resources=wanted)
        owner[future.key] = item
        return future

    # Two a worker: when a worker dies, Dask suspects every task in its queue.
    window = 2 * max(1, sum(client.nthreads().values()))
    running = as_completed([submit(item) for item in islice(waiting, window)], loop=client.loop)
    while not running.is_empty():
        # Its own waiting cannot be stopped.
        while not running.has_ready():
            pause(_POLL_S)
        future = next(running)
        item = owner.pop(future.key)
        try:
            error = future.exception()
            result = future.result() if error is None else None
        except (CancelledError, CommClosedError) as gone:  # the latter: while a result is fetched
            raise ClusterError(f"The Dask scheduler went away during the work: {gone}.") from gone
        future.release()
        for following in islice(waiting, 1):
            running.add(submit(following))
        yield item, result, error
