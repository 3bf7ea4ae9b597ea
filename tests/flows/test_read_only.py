"""A RUN folder that turns read-only, before a command and in the middle of its work."""

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.flows.conftest import GANST

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
# Permissions do not bind root; a mount does, and in a namespace of its own nobody else sees it.
_NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def _read_only(folder: Path, *command: str) -> list[str]:
    return [*_NAMESPACE, "sh", "-c", _READ_ONLY, str(folder), *command]


@pytest.fixture
def mounts(tmp_path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    probe = subprocess.run(_read_only(tmp_path, "true"), capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"this user may not mount: {probe.stderr.decode().strip()}")


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("place", ["RUN", "RUN/images"])
def test_a_read_only_folder_is_named_and_the_same_command_finishes_later(
    place, photos, home, tmp_path
):
    command = [*GANST, "stylize", str(photos), "--style", "tiny", "--workers", "0"]
    command += ["--out", str(tmp_path / "RUN"), "--max-reject-share", "1"]
    folder = tmp_path / place
    folder.mkdir(parents=True)

    def call(line: list[str]) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "GANST_HOME": str(home), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    refused = call(_read_only(folder, *command))
    complaints = [line for line in refused.stderr.splitlines() if line.startswith("ganst:")]
    # Nothing at all can be written, or images cannot while the catalog can.
    assert refused.returncode == (2 if place == "RUN" else 1), refused.stderr
    assert complaints
    assert all("Read-only file system" in sentence for sentence in complaints)
    assert all(str(folder) in sentence for sentence in complaints)
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.rglob(".ganst-*"))
    assert not list((tmp_path / "RUN").glob("shards/stylize/*.parquet"))

    done = call(command)
    assert done.returncode == 0, done.stderr
    status = pd.read_parquet(tmp_path / "RUN" / "report.parquet").status
    assert status.value_counts().to_dict() == {"ok": 3, "rejected": 1}
