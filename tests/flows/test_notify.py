"""A webhook that is called for real, on the loopback: with what, when, and what if it fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows import notify as notify_module
from pipelines.config import ComputeConfig, RunConfig

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_harness", "in_home")]


class Listener(ThreadingHTTPServer):
    """Keeps what it was sent; answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = 204
        self.heard: list[dict[str, Any]] = []


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        listener: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        listener.heard.append(json.loads(body))
        self.send_response(listener.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name there
        """Nothing on the terminal."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def block(listener) -> str:
    from prefect.blocks.webhook import Webhook

    url = f"http://127.0.0.1:{listener.server_port}/secret-token"
    Webhook(url=url).save("people", overwrite=True)  # pyrefly: ignore[bad-argument-type]
    return "people"


def _call(photos: Path, max_reject_share: float, block: str | None) -> Any:  # noqa: ANN401 a state
    from flows import nightly

    config = RunConfig(
        photos=str(photos),
        style="tiny",
        out=str(photos.parent / "run"),
        max_reject_share=max_reject_share,
    )
    flow: Any = nightly.nightly
    return flow(config, ComputeConfig(workers=0), notify=block, return_state=True)


def _problems() -> str:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        wanted = {"artifacts": {"key": {"any_": ["ganst-problems"]}}}
        found = client.request("POST", "/artifacts/latest/filter", json=wanted).json()
    return str([artifact["data"] for artifact in found])


def test_too_many_rejected_files_are_told_with_the_counts_and_the_reason(photos, listener, block):
    assert _call(photos, 0.1, block).is_failed()
    (heard,) = listener.heard
    assert heard["run"] == str(photos.parent / "run")
    assert (heard["style"], heard["sources"], heard["counts"]["rejected"]) == ("tiny", 4, 1)
    assert heard["why"] == [
        "1 of 4 files were rejected (25%), more than the allowed 10% (--max-reject-share)."
    ]


def test_a_run_at_fault_is_told_and_one_that_is_well_is_not(photos, listener, block, monkeypatch):
    assert _call(photos, 0.5, block).is_completed()
    assert listener.heard == []
    monkeypatch.setattr(notify_module, "find_fault", lambda _: "all outputs have moved")
    assert _call(photos, 0.5, None).is_completed()
    assert listener.heard == []
    assert _call(photos, 0.5, block).is_completed()
    assert [heard["why"] for heard in listener.heard] == [["all outputs have moved"]]


@pytest.mark.parametrize("failure", ["status", "connection", "block"])
def test_a_webhook_that_fails_is_a_problem_on_record_and_not_the_end_of_the_run(
    photos, listener, block, monkeypatch, failure
):
    monkeypatch.setattr(notify_module, "find_fault", lambda _: "all outputs have moved")
    listener.status = 500
    if failure == "connection":
        listener.server_close()
    name = "nobody-knows-it" if failure == "block" else block
    assert _call(photos, 0.5, name).is_completed()
    told = _problems()
    assert f"nobody was notified: webhook {name}: " in told
    assert "secret-token" not in told
    assert ("it answered 500" in told) == (failure == "status")
