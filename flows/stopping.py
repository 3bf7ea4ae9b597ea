"""Ctrl-C and SIGTERM: an orderly end within seconds, whatever the command is doing.

The work of a verb runs in a thread of its own. The main thread waits for it, hears the signals and
asks the work to stop; what takes longer than the deadline is left as it is, because everything we
write is either there or not there. A second signal ends the command at once.
"""

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143}
SENTENCE = "stopped; the same command again goes on from here"
DEADLINE_S = 4.0
_POLL_S = 0.05

_hearing: ContextVar["Signals | None"] = ContextVar("hearing", default=None)


class Signals:
    """The signals of this process, in the order they came."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._is_waiting = False
        self._deadline = 0.0

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler. Outside of `wait_for` nothing has begun that would have to be ended."""
        self.received.append(number)
        # Without a frame it is no signal but code that handled one and is about to end.
        if not self._is_waiting and frame is not None:
            self.leave()

    def wait_for(self, work: Callable[[], R]) -> R:
        """The result of `work`, or its exception; after a signal, the end of the process."""
        results: list[R] = []
        errors: list[BaseException] = []

        def run() -> None:
            # Processes started from here inherit this: Ctrl-C of a terminal is for the parent.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 raised again by the thread that waits
                errors.append(error)

        thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
        self._is_waiting = True
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_S)
            self._pass_on()
        self._is_waiting = False
        if errors and self.received:  # here: typer takes KeyboardInterrupt for its own
            sys.stdout.flush()
            self.leave()
        if errors:
            raise errors[0]
        return results[0]

    def leave(self) -> NoReturn:
        """End this process and those it started, at once and without Python's farewell."""
        for number in STATUSES:  # another signal must not come in between
            signal.signal(number, signal.SIG_IGN)
        import psutil

        for child in psutil.Process().children(recursive=True):
            child.kill()
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
        os.write(2, f"{show_cursor}ganst: {SENTENCE}\n".encode())
        os._exit(STATUSES[signal.Signals(self.received[0])])

    def _pass_on(self) -> None:
        if not self.received:
            return
        if not self._deadline:
            from pipelines.interrupts import ask_to_stop

            ask_to_stop()
            self._deadline = time.monotonic() + DEADLINE_S
        if len(self.received) > 1 or time.monotonic() > self._deadline:
            self.leave()


@contextmanager
def signals_heard() -> Iterator[Signals]:
    """In this block SIGINT and SIGTERM are ours."""
    signals = Signals()
    token = _hearing.set(signals)
    former = {number: signal.signal(number, signals.note) for number in STATUSES}
    try:
        yield signals
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        _hearing.reset(token)


def stoppable(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that a signal stops in order, where signals are heard."""

    @functools.wraps(verb)
    def call(*args: P.args, **options: P.kwargs) -> R:
        signals = _hearing.get()
        if signals is None:
            return verb(*args, **options)
        return signals.wait_for(lambda: verb(*args, **options))

    return call
