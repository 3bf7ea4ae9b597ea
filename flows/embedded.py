"""Prefect's API for one command: the server that is configured, else one that ends with us."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.interrupts import pause

_POLL_S = 0.1
_END_S = 10
_SEND_S = 5


class EmbeddedServerError(RuntimeError):
    """The embedded Prefect server did not start."""


@contextmanager
def prefect_api() -> Iterator["PrefectAPI"]:
    """Start the embedded server if no server is configured; it gets ready while others work."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield PrefectAPI(None)
        return
    with tempfile.TemporaryFile() as log:
        process = _start(log.fileno())
        try:
            yield PrefectAPI(process)
        except EmbeddedServerError as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), "no message")
            raise EmbeddedServerError(f"{error} ({reason.strip()})") from error
        finally:
            _end(process)


class PrefectAPI:
    """A server that may still be starting."""

    def __init__(self, process: "subprocess.Popen[bytes] | None") -> None:
        self._process = process

    @property
    def is_embedded(self) -> bool:
        """False where an existing server is used."""
        return self._process is not None

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Flows in this block talk to the server.

        Raises:
            EmbeddedServerError: It ended at its start, or took longer than Prefect's time limit.

        """
        from prefect.settings import temporary_settings

        with temporary_settings(self._settings() if self._process else {}):
            try:
                yield
            finally:
                _send_what_is_queued()

    def _settings(self) -> dict[Any, Any]:
        """Those of the embedded server, once it answers."""
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        )

        assert self._process
        limit_s = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
        # Nobody looks for zombies on a server that ends with the flow, and the heartbeat costs a
        # flow one second at its end (it sleeps in steps of that).
        url = _wait(self._process, limit_s)
        return {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}


def _start(log: int) -> "subprocess.Popen[bytes]":
    from prefect.settings import get_current_settings

    environment = {
        **os.environ,
        **get_current_settings().to_environment_variables(exclude_unset=True),
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    # A session of its own: Ctrl-C is for this process, which still has to say goodbye to it.
    # -P: a folder "flows" in the working directory is not this package.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.embedded_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=True,
    )


def _wait(process: "subprocess.Popen[bytes]", limit_s: float) -> str:
    """The API's address, once the server answers."""
    import httpx

    assert process.stdout
    port = process.stdout.readline().strip().decode()
    url = f"http://127.0.0.1:{port}/api"
    deadline = time.monotonic() + limit_s
    with httpx.Client(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(f"{url}/health").status_code == httpx.codes.OK:
                    return url
            except httpx.TransportError:
                pass
            pause(_POLL_S)
    if process.poll() is not None:
        raise EmbeddedServerError("the embedded Prefect server ended at its start")
    raise EmbeddedServerError(f"the embedded Prefect server did not answer within {limit_s} s")


def _send_what_is_queued() -> None:
    """Logs and events go out in the background: without this they would find the server gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=_SEND_S, at_exit=False)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
