"""A Prefect server, pool, worker and our deployments on the loopback: `python -m flows.up`.

For someone who wants to see schedules and triggers at work. It runs the very commands that
docs/scheduling.md gives, with a database of its own, and ends everything when it ends.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flows.failures import BAD_ARGUMENTS, DONE, FAILED
from flows.settings import set_prefect_defaults

HOST = "127.0.0.1"
POOL = "ganst"
# Prefect's own ten seconds are most of the time from an event to its correction.
WORKER_POLL_S = 2
_START_S = 180
_END_S = 15
_POLL_S = 0.2

Environment = Mapping[str, str]


class UpError(Exception):
    """Something did not start, or ended before it was asked to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; gives the exit status."""
    options = _parse(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    home = options.home.absolute()
    try:
        _check_port(options.port)
        home.mkdir(parents=True, exist_ok=True)
        _serve(home, environment(home, options.port), options.port, stop)
    except (UpError, OSError) as error:
        sys.stderr.write(f"ganst: {error}\n")
        return BAD_ARGUMENTS if isinstance(error, PortTakenError) else FAILED
    return DONE


class PortTakenError(UpError):
    """Another process listens there."""


def environment(home: Path, port: int) -> dict[str, str]:
    """What every process here gets: this server and no other, and nothing sent anywhere."""
    set_prefect_defaults()
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return kept | {
        # prefect.yaml asks for it; it is another folder after `make -C`, and missing without a shell.
        "PWD": str(Path.cwd()),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": str(WORKER_POLL_S),
        "NO_COLOR": "1",
    }


# They point to another server or database, or would have one ask for a password.
_ELSEWHERE = frozenset(
    {
        "PREFECT_API_KEY",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_PROFILE",
        "PREFECT_PROFILES_PATH",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_API_BASE_PATH",
        "PREFECT_UI_API_URL",
    }
)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.up", description=__doc__)
    parser.add_argument("--port", type=int, default=4200, help="Of server and UI; 0: a free one.")
    parser.add_argument(
        "--home", type=Path, default=Path("runs/.prefect"), help="Folder of the database and logs."
    )
    options = parser.parse_args(arguments)
    if not Path("prefect.yaml").is_file():
        parser.error(f"there is no prefect.yaml in {Path.cwd()}: start this in the checkout")
    options.port = options.port or _free_port()
    return options


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise PortTakenError(
                f"port {port} of {HOST} cannot be used ({error}): make up PORT=4201"
            ) from None


def _serve(home: Path, env: Environment, port: int, stop: threading.Event) -> None:
    """Start everything in its order, say where it is, and wait for the end of any of it."""
    with ExitStack() as running:
        start = ["server", "start", "--host", HOST, "--port", str(port)]
        server = running.enter_context(_process(start, home / "server.log", env))
        _wait_for_server(f"{env['PREFECT_API_URL']}/health", server, stop)
        set_up(lambda *command: _prefect(command, env, stop), env["PREFECT_API_URL"])
        if stop.is_set():
            return
        start = ["worker", "start", "--pool", POOL, "--type", "process"]
        worker = running.enter_context(_process(start, home / "worker.log", env))
        _say(_where(home, env, port))
        while not stop.wait(_POLL_S):
            for process, name in ((server, "server"), (worker, "worker")):
                if process.poll() is not None:
                    raise UpError(f"the {name} ended: {home}/{name}.log says why")
        _say("ending server, worker and what they run")


def set_up(prefect: Callable[..., None], api: str) -> None:
    """Pool, deployments and automations; what is there already is brought up to date."""
    prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    prefect("--no-prompt", "deploy", "--all")
    if not _has_automations(api):  # there is no --overwrite for them
        prefect("automation", "create", "--from-file", "automations.yaml")


def _has_automations(api: str) -> bool:
    import httpx
    import yaml

    wanted = yaml.safe_load(Path("automations.yaml").read_text(encoding="utf-8"))
    with httpx.Client(trust_env=False) as client:
        found = client.post(f"{api}/automations/filter", json={}).raise_for_status().json()
    names = {automation["name"] for automation in found}
    return all(automation["name"] in names for automation in wanted["automations"])


def _where(home: Path, env: Environment, port: int) -> str:
    example = '{"config": {"photos": "pipelines/demo", "style": "vangogh", "out": "runs/demo"}}'
    return (
        f"page     http://{HOST}:{port}\n"
        f"state    {home}\n"
        f"try      PREFECT_API_URL={env['PREFECT_API_URL']} {Path(sys.executable).parent}/prefect"
        f" deployment run nightly/nightly --params '{example}'\n"
        "Ctrl-C ends all of it."
    )


def _prefect(command: Sequence[str], env: Environment, stop: threading.Event) -> None:
    """Run one command of Prefect to its end, unless the end is asked for.

    Raises:
        UpError: It failed; with what it said.

    """
    if stop.is_set():
        return
    done = subprocess.run(
        _command(command), env=env, capture_output=True, text=True, start_new_session=True
    )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise UpError(f"prefect {' '.join(command)} failed: {said[-500:]}")


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "prefect", *arguments]


@contextmanager
def _process(
    arguments: Sequence[str], log: Path, env: Environment
) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of Prefect in the background, and the end of it and of all it started."""
    # A session of its own: Ctrl-C of a terminal is for us, who end them in their order.
    with log.open("wb") as file:
        process = subprocess.Popen(
            _command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, then SIGKILL for what is left of it and of its children."""
    import psutil

    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(family, timeout=1)[1]:
        child.kill()


def _wait_for_server(health: str, server: "subprocess.Popen[bytes]", stop: threading.Event) -> None:
    import httpx

    deadline = time.monotonic() + _START_S
    with httpx.Client(trust_env=False) as client:
        while not stop.wait(_POLL_S) and time.monotonic() < deadline:
            if server.poll() is not None:
                raise UpError("the Prefect server ended at its start: see server.log")
            try:
                if client.get(health).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
    if not stop.is_set():
        raise UpError(f"the Prefect server did not answer within {_START_S} s: see server.log")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
