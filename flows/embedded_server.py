"""The process of the embedded Prefect server: `python -m flows.embedded_server`.

Prefect's own temporary server outlives a `kill -9` of its client, with 270 MB. This one reads its
standard input, which ends with the process that started it, whatever ended that. Servers of several
commands start one after the other: two that make the tables of one new database fail.
"""

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

_FAREWELL_S = 5.0


def main() -> None:
    """Serve on a free port of the loopback, whose number is the first line of the output."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on"
    )
    _serve(uvicorn.Server(config), listener)


def _serve(server: "uvicorn.Server", listener: socket.socket) -> None:
    start = server.startup

    async def start_alone(sockets: list[socket.socket] | None = None) -> None:
        with _database_alone():
            await start(sockets)

    server.startup = start_alone
    server.run(sockets=[listener])


@contextmanager
def _database_alone() -> Iterator[None]:
    """No other server of this PREFECT_HOME starts in this block."""
    from prefect.settings import PREFECT_HOME

    folder = PREFECT_HOME.value()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_FAREWELL_S)
    os._exit(1)


if __name__ == "__main__":
    main()
