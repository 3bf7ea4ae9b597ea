"""A real S3 server on a free port, and a proxy in front of it that fails on purpose.

python -m tests.pipelines.s3_server        # prints the port; ends when its stdin is closed
"""

import http.client
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
