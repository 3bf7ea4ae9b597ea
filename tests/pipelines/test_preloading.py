"""The process that local workers are forked from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.preloading import WORKER_ENVIRONMENT

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

# As a worker is started: from a process that was told to load, with what the parent has changed since.
_SCRIPT = """
import json, multiprocessing, os, sys
from pipelines.preloading import WORKER_ENVIRONMENT, load_ahead

def report(queue):
    queue.put({
        "torch": "torch" in sys.modules,
        "here": os.path.dirname(sys.modules["pipelines"].__file__),
        "threads": len(os.listdir("/proc/self/task")),
        "memory": {name: os.environ.get(name) for name in WORKER_ENVIRONMENT},
        "parent": os.getppid(),
    })

if __name__ == "__main__":
    load_ahead("no.such.module")
    context = multiprocessing.get_context("forkserver")
    found = []
    for _ in range(2):
        queue = context.Queue()
        process = context.Process(target=report, args=(queue,))
        process.start()
        found.append(queue.get())
        process.join()
    print(json.dumps({
        "workers": found, "left": {name: os.environ.get(name) for name in WORKER_ENVIRONMENT},
    }))
"""


def test_workers_come_with_torch_and_the_memory_settings_from_one_process(tmp_path):
    (tmp_path / "script.py").write_text(_SCRIPT)
    (tmp_path / "pipelines").mkdir()  # not ours
    (tmp_path / "pipelines" / "__init__.py").write_text("raise SystemExit('wrong package')")
    # Dask leaves them in the environment of a process that has had a cluster, as this one may.
    clean = {name: value for name, value in os.environ.items() if name not in WORKER_ENVIRONMENT}
    environment = clean | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", str(tmp_path / "script.py")]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    one, two = found["workers"]
    assert one["parent"] == two["parent"]
    for worker in (one, two):
        assert worker["torch"]
        assert worker["here"] == str(ROOT / "pipelines")
        assert all(worker["memory"].values())
    assert found["left"] == dict.fromkeys(one["memory"])
