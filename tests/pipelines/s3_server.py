"""A real S3 server on a free port, and a proxy in front of it that fails on purpose.

python -m tests.pipelines.s3_server        # prints the port; ends when its stdin is closed
"""

import http.client
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.storage import open_root

Fault = Callable[[str, str], str | None]  # (method, path) -> "busy", "cut" or None


class FaultyProxy:
    """Passes requests on to `port`; `fault` says which ones get a 503, or half an answer."""

    def __init__(self, port: int) -> None:
        self.fault: Fault = lambda _method, _path: None
        self.faults = 0
        handler = type("Handler", (_Handler,), {"proxy": self, "target": port})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy
    target: int

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.fault(self.command, self.path)
        self.proxy.faults += fault is not None
        if fault == "busy":
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>", {})
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        found, headers = answer.read(), dict(answer.getheaders())
        upstream.close()
        if fault == "cut":  # the store may have done it; who asked will not know
            self.close_connection = True
            self.connection.close()
            return
        self._answer(answer.status, found, headers)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 http.server's names

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers.items():
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name there
        """Silent."""


@contextmanager
def running_server() -> Iterator[int]:
    """A server process for the block; gives its port."""
    command = [sys.executable, "-m", "tests.pipelines.s3_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], text=True, **pipes) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


@contextmanager
def reached_through(port: int) -> Iterator[FaultyProxy]:
    """A proxy that this process, and those it starts, take for Amazon's S3 in the block."""
    import s3fs

    proxy = FaultyProxy(port)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield proxy
        s3fs.S3FileSystem.clear_instance_cache()
    proxy.close()


def new_bucket(proxy: FaultyProxy, photos: Path) -> str:
    """The URL of a bucket with these photos in its folder `photos`."""
    import s3fs

    from tests.pipelines.photo_folders import tree  # it loads torch, which the server does not need

    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(endpoint_url=proxy.url).mkdir(name)
    for path, data in tree(photos).items():
        (open_root(f"s3://{name}/photos") / path).write_bytes(data)
    return f"s3://{name}"


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)  # noqa: T201 its answer
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
