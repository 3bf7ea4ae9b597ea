"""The process of the embedded Prefect server: `python -m flows.embedded_server`.

Prefect's own temporary server outlives a `kill -9` of its client, with 270 MB. This one reads its
standard input, which ends with the process that started it, whatever ended that.
"""

import os
import signal
import socket
import sys
import threading
import time

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
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_FAREWELL_S)
    os._exit(1)


if __name__ == "__main__":
    main()
