"""Ctrl-C and SIGTERM between two steps of a training instead of in the middle of one."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingStopped(KeyboardInterrupt):
    """A training was stopped; the text says how to go on. `number` is the signal's."""

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.number = number


def stopped_sentence(num_images: int, *, has_checkpoint: bool = True) -> str:
    """What to say of a training that was stopped."""
    if not has_checkpoint:
        return "stopped before the first checkpoint; the same command begins again"
    return f"stopped after {num_images} images; the same command with --resume goes on from here"


class StopRequest:
    """In this block the first signal is noted, the second acts as it would have without us.

    Outside of the main thread, where signals cannot be caught, it never hears of one.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {n: signal.signal(n, self._note) for n in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def is_set(self) -> bool:
        """True after a signal."""
        return self.number is not None

    def pass_on(self, sentence: str) -> None:
        """If there was a signal: let the former handler know of it, then end with `sentence`.

        Raises:
            TrainingStopped: There was one.

        """
        if self.number is None:
            return
        former = self._previous.get(self.number)
        if callable(former):
            _call(former, self.number)
        raise TrainingStopped(sentence, self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            return
        former = self._previous[number]
        if callable(former):
            former(number, frame)
        raise KeyboardInterrupt


def _call(handler: Callable[[int, FrameType | None], Any], number: int) -> None:
    try:
        handler(number, None)
    except KeyboardInterrupt:
        return
