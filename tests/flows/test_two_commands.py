"""Two commands on one RUN folder at the same time, as real processes."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from PIL import Image

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NUM_PHOTOS = 12


@pytest.fixture
def many(tmp_path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(NUM_PHOTOS):
        photo = Image.effect_noise((120, 90), 20 + index).convert("RGB")
        photo.save(folder / f"{index:02}.jpg")
    return folder


def _finish(*commands: "subprocess.Popen[str]") -> list[str]:
    complaints = []
    for command in commands:
        _, complaint = command.communicate(timeout=500)
        assert command.returncode == 0, complaint
        complaints.append(complaint)
    return complaints


def _files(out: Path, folder: str) -> dict[str, bytes]:
    found = (path for path in (out / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def test_two_commands_end_where_one_ends(many, ganst, tmp_path):
    def start(out: Path) -> "subprocess.Popen[str]":
        # Named, as of so small a network the two precisions are measured as nearly equally fast.
        precision = ("--precision", "fp32")
        command = ("stylize", many, "--style", "tiny", "--out", out, "--workers", "1", "--json")
        return ganst(*command, *precision)

    alone, shared = tmp_path / "alone", tmp_path / "shared"
    complaints = _finish(start(shared), start(shared))
    _finish(start(alone))
    assert sum("Another command is at work" in complaint for complaint in complaints) == 1
    assert (shared / "report.parquet").read_bytes() == (alone / "report.parquet").read_bytes()
    assert len(pd.read_parquet(shared / "report.parquet")) == NUM_PHOTOS
    for folder in ("images", "shards/stylize", "attempts"):
        assert _files(shared, folder) == _files(alone, folder)
    assert not list(shared.rglob(".ganst-*"))
