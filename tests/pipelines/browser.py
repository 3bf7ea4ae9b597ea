"""A headless Chromium driven over its own debugging protocol: what a page shows, says and does."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1400,900",
)
# Chromium acts on its own for some keys only if it is told their code.
_KEY_CODES = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}


def find_chromium() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """An open page; `complaints` are its console errors, exceptions and refused requests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last_id = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + 20
        while self.run("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < deadline, f"{url} did not load"
            time.sleep(0.05)

    def run(self, expression: str) -> Any:  # noqa: ANN401 any JSON
        """The value of a JavaScript expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first such element in sight."""
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self._mouse(kind, x, y)

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag from a share of the element's width to another, halfway down."""
        x_from, y = self.place(selector, start)
        x_to, _ = self.place(selector, end)
        self._mouse("mousePressed", x_from, y)
        for x in (x_from, (x_from + x_to) / 2, x_to):
            self._mouse("mouseMoved", x, y)
        self._mouse("mouseReleased", x_to, y)

    def press(self, *keys: str) -> None:
        """Press and release real keys, one after the other."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {"windowsVirtualKeyCode": _KEY_CODES.get(key, 0)}
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def write(self, text: str) -> None:
        """Put a text where the focus is."""
        self.call("Input.insertText", text=text)

    def place(self, selector: str, share: float = 0.5) -> tuple[float, float]:
        """Scroll the element into sight; the point at a share of its width, halfway down."""
        box = self.run(
            f"(e => {{ e.scrollIntoView({{block: 'nearest'}}); const b = e.getBoundingClientRect();"
            f" return [b.left, b.top, b.width, b.height]; }})(document.querySelector({selector!r}))"
        )
        assert box[2] * box[3] > 0, f"{selector} is not to be seen"
        return box[0] + share * box[2], box[1] + box[3] / 2

    def _mouse(self, kind: str, x: float, y: float) -> None:
        held = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def call(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 the protocol's
        self._last_id += 1
        self._connection.send(json.dumps({"id": self._last_id, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=30))
            if message.get("id") == self._last_id:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        url = params.get("request", {}).get("url", "file:")
        if method == "Network.requestWillBeSent" and not url.startswith(("file:", "data:")):
            self.complaints.append(f"asked for {url}")


@contextmanager
def open_page(chromium: str, profile: Path) -> Iterator[Page]:
    """A new browser with a new profile; it ends with the block."""
    process = subprocess.Popen(
        [chromium, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_page_address(profile), max_size=None, proxy=None) as connection:
            yield Page(connection)
            connection.send(json.dumps({"id": 0, "method": "Browser.close"}))
            process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()


def _page_address(profile: Path) -> str:
    """The debugging address of the first page, once the browser has written its port down."""
    import urllib.request

    port_file = profile / "DevToolsActivePort"
    deadline = time.monotonic() + 30
    while not port_file.exists() or not port_file.read_text().strip():
        assert time.monotonic() < deadline, "Chromium did not start"
        time.sleep(0.05)
    port = port_file.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        targets = json.load(answer)
    return next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
