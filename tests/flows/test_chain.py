"""The whole chain as real processes: server, worker, schedule, event, correction, artifacts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest
from PIL import Image, ImageOps

from ganst.models.stylepack import StylePack
from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.report import write_report
from pipelines.runs import Run
from pipelines.score import score
from pipelines.stylize import stylize
from tests.pipelines.conftest import calibrated_pack  # noqa: F401 a fixture
from tests.pipelines.photo_folders import make_run
from tests.pipelines.scenes import make_scenes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
SERIAL = ComputeConfig(workers=0)
FIRST = 5008  # scenes whose outputs are nowhere near the flag level
PATIENCE_S = 240
END_S = 60

FLAGGED = {"event": {"name": ["ganst.score.flagged"]}}

Rows = list[dict[str, Any]]


class Up:
    """`python -m flows.up` as a process of its own, and its API."""

    def __init__(self, home: Path, port: int = 0) -> None:
        self.log = home / "up.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.up", "--home", str(home), "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=os.environ
                | {"PYTHONPATH": str(ROOT), "GANST_HOME": str(home), "PWD": str(home)},
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        wait_for(lambda: "Ctrl-C" in self.said() or self.process.poll() is not None, self.said)
        assert self.process.poll() is None, self.said()
        (line,) = [line for line in self.said().splitlines() if line.startswith("page")]
        self.port = int(line.rpartition(":")[2])
        self.api = f"http://127.0.0.1:{self.port}/api"

    def said(self) -> str:
        return self.log.read_text()

    def ask(self, path: str, **filters: object) -> Any:  # noqa: ANN401 JSON
        answer = httpx.post(self.api + path, json=filters, trust_env=False)
        return answer.raise_for_status().json()

    def runs_of(self, deployment: str) -> Rows:
        """Its flow runs, the latest first."""
        named = {"deployments": {"name": {"any_": [deployment]}}}
        return self.ask("/flow_runs/filter", sort="START_TIME_DESC", **named)

    def wait_for_end(self, deployment: str, num: int = 1) -> dict[str, Any]:
        """The last of `num` flow runs that its schedule did not make, once they have ended."""

        def ended() -> Rows:
            runs = [run for run in self.runs_of(deployment) if run["end_time"]]
            return runs if len(runs) >= num else []

        return wait_for(ended, lambda: str(self.runs_of(deployment)))[0]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=END_S)


def wait_for(found: Callable[[], Any], else_say: Callable[[], str]) -> Any:  # noqa: ANN401
    """What `found` gives once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < deadline, else_say()
        time.sleep(0.5)
    return result


@pytest.fixture
def up(tmp_path) -> Iterator[Up]:
    home = tmp_path / "prefect"
    home.mkdir()
    started = Up(home)
    try:
        started.wait_until_ready()
        yield started
    finally:
        if started.process.poll() is None:
            family = psutil.Process(started.process.pid).children(recursive=True)
            started.end()
            for process in family:  # none, if `up` keeps its word
                if process.is_running():
                    process.kill()


def damaged_run(folder: Path, pack: StylePack) -> Run:
    """Three outputs that have no scores yet, one of them inverted on disk."""
    photos = make_scenes(folder / "photos", 3, first=FIRST)
    run = make_run(photos, folder / "RUN", pack)
    ingest(run, SERIAL)
    stylize(run, SERIAL)
    path = Path(str(run.folder.images("a0.png")))
    ImageOps.invert(Image.open(path)).save(path)
    return run


def start(up: Up, deployment: str, parameters: dict[str, Any]) -> None:
    """As a person does it: one command."""
    command = ["deployment", "run", deployment, "--params", json.dumps(parameters)]
    environment = os.environ | {"PREFECT_API_URL": up.api, "DO_NOT_TRACK": "1"}
    subprocess.run([sys.executable, "-m", "prefect", *command], env=environment, check=True)


def nightly_parameters(run: Run) -> dict[str, Any]:
    """Those of this run instead of the deployment's."""
    return {
        "config": {
            "photos": run.config.photos,
            "style": str(run.style_path),
            "out": run.config.out,
            "precision": "fp32",
        },
        "compute": {"workers": 0},
        "correct": False,
    }


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_flagged_output_is_corrected_by_the_event_of_its_run_and_by_the_sweep_if_that_was_lost(
    up,
    tmp_path,
    calibrated_pack,  # noqa: F811
):
    check_what_is_set_up(up)
    run = damaged_run(tmp_path / "one", calibrated_pack)
    start(up, "nightly/nightly", nightly_parameters(run))
    nightly = up.wait_for_end("nightly")
    assert nightly["state_type"] == "COMPLETED", nightly["state"]["message"]
    correction = up.wait_for_end("on-flagged")
    assert correction["created_by"]["type"] == "AUTOMATION"
    check_correction(up, correction, run)
    assert {"ganst-run", "ganst-score"} <= keys_of(up.ask("/artifacts/filter"), nightly)
    (event,) = up.ask("/events/filter", filter=FLAGGED)["events"]
    seconds = (moment(correction["start_time"]) - moment(event["occurred"])).total_seconds()
    print(f"event to correction running: {seconds:.1f} s")  # noqa: T201 a measurement
    assert seconds > 0

    forgotten = damaged_run(tmp_path / "two", calibrated_pack)
    write_report(forgotten, (score(forgotten, SERIAL),))
    start(up, "sweep/sweep", {"root": str(tmp_path)})
    assert up.wait_for_end("sweep")["state_type"] == "COMPLETED"
    check_correction(up, up.wait_for_end("on-flagged", num=2), forgotten)


def check_what_is_set_up(up: Up) -> None:
    """Runs by schedule, and automations."""
    for name, hour in (("nightly", 2), ("sweep", 7)):
        scheduled = wait_for(lambda name=name: up.runs_of(name), up.said)
        assert {moment(run["expected_start_time"]).hour for run in scheduled} == {hour}
        assert all(run["auto_scheduled"] for run in scheduled)
    automations = {automation["name"] for automation in up.ask("/automations/filter")}
    assert automations == {"correct-on-flagged", "crash-zombie-runs"}


def check_correction(up: Up, correction: dict[str, Any], run: Run) -> None:
    assert correction["state_type"] == "COMPLETED", correction["state"]["message"]
    assert correction["parameters"]["run"] == str(run.folder.root)
    report = pd.read_parquet(f"{run.folder.root}/report.parquet").set_index("source")
    assert report.status.to_dict() == {"a0.png": "corrected", "b1.png": "ok", "c2.png": "ok"}
    assert {"ganst-run", "ganst-correct"} <= keys_of(up.ask("/artifacts/filter"), correction)


def keys_of(artifacts: Rows, flow_run: dict[str, Any]) -> set[str]:
    return {artifact["key"] for artifact in artifacts if artifact["flow_run_id"] == flow_run["id"]}


def test_ctrl_c_leaves_nothing_running_and_a_second_start_finds_what_the_first_made(up):
    assert Path(f"/proc/{up.process.pid}").exists()
    second = Up(up.log.parent, up.port)
    assert second.process.wait(timeout=END_S) == 2
    assert f"port {up.port} of 127.0.0.1 cannot be used" in second.said()
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) == 2  # server and worker
    assert up.end() == 0
    assert not any(process.is_running() for process in family)
    again = Up(up.log.parent, up.port)
    try:
        again.wait_until_ready()
        names = sorted(automation["name"] for automation in again.ask("/automations/filter"))
        assert names == ["correct-on-flagged", "crash-zombie-runs"]
    finally:
        again.end()
