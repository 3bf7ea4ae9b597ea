"""Progress of stages: to whoever listens in this process, and to Prefect where a flow runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipelines.interrupts import end_if_asked

if TYPE_CHECKING:
    from pipelines.progress import OnProgress, Progress

# An update of an artifact costs the server 10 ms.
ARTIFACT_EVERY_S = 2.0

_listener: ContextVar["OnProgress | None"] = ContextVar("listener", default=None)


@contextmanager
def listening(on_progress: "OnProgress") -> Iterator[None]:
    """Hear of the progress of every stage that runs in this block."""
    token = _listener.set(on_progress)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_listener(progress: "Progress") -> None:
    """An `OnProgress` for stages that run without Prefect."""
    end_if_asked()
    listener = _listener.get()
    if listener:
        listener(progress)


class ProgressArtifact:
    """An `OnProgress` for a stage in a Prefect task: one progress artifact, seldom updated."""

    def __init__(self, stage: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage = stage
        self._clock = clock
        self._id: UUID | None = None
        self._told_at = -ARTIFACT_EVERY_S

    def __call__(self, progress: "Progress") -> None:
        """Tell the listener always, Prefect every two seconds and at the end."""
        tell_listener(progress)
        is_last = progress.done >= progress.total
        if self._clock() - self._told_at < ARTIFACT_EVERY_S and not is_last:
            return
        self._told_at = self._clock()
        self._put(100.0 if is_last else 100.0 * progress.done / progress.total)

    def _put(self, percent: float) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        if self._id is None:
            created: Any = create_progress_artifact(
                percent, key=f"ganst-{self._stage}", description=f"Progress of {self._stage}"
            )
            self._id = created
        else:
            update_progress_artifact(self._id, percent)
