"""Where work may be stopped: before a file is read or written, and while workers are waited for.

A signal handler that raises does so anywhere, also in a hook of the garbage collector, which only
prints the exception. So a stop is asked for here, and answered where nothing is half done.
"""

import threading

_wanted = threading.Event()


def ask_to_stop() -> None:
    """From now on the work of this process ends at the next place where it may be stopped."""
    _wanted.set()


def forget_stop() -> None:
    """Work may go on."""
    _wanted.clear()


def end_if_asked() -> None:
    """Call where nothing is half done.

    Raises:
        KeyboardInterrupt: A stop was asked for.

    """
    if _wanted.is_set():
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Wait, but not after a stop was asked for.

    Raises:
        KeyboardInterrupt: A stop was asked for.

    """
    _wanted.wait(seconds)
    end_if_asked()
