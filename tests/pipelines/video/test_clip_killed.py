"""kill -9 in the middle of a clip of two minutes: what was done stays, a segment a worker is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.config import ComputeConfig
from pipelines.ingest import ingest
from pipelines.stylized import read_stylized
from pipelines.video.stylize import stylize_clips
from tests.pipelines.photo_folders import make_run, make_style
from tests.pipelines.video.made_clips import shot, times_of, write_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]
WORKERS = 2
NUM_FRAMES, STEP = 1000, 3  # 120 seconds at 25 / 3 frames a second


def start(photos: Path, out: Path, style: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.pipelines.video.clip_driver"]
    places = [str(photos), str(out), str(style)]
    return subprocess.Popen([*command, *places], cwd=ROOT, start_new_session=True)


def segments_of(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("clips/*/segment-*.nut")}


def rows_of(out: Path) -> int:
    return len(list(out.glob("shards/video/*.parquet")))


def test_a_killed_command_has_lost_a_segment_a_worker_at_most(tmp_path):
    pack = make_style(tmp_path / "styles")
    frames = shot(100) * (NUM_FRAMES // 100)
    clip = write_clip(
        tmp_path / "photos" / "a.mp4", frames, pts=[STEP * n for n in range(NUM_FRAMES)]
    )
    out = tmp_path / "RUN"
    driver = start(tmp_path / "photos", out, pack.path)
    try:
        deadline = time.monotonic() + 240
        while rows_of(out) < 3:
            assert driver.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    committed, before = rows_of(out), segments_of(out)
    assert committed < NUM_FRAMES // 100
    assert len(before) - committed <= WORKERS
    run = make_run(tmp_path / "photos", out, pack)
    ingest(run, ComputeConfig(workers=0))
    assert stylize_clips(run, ComputeConfig(workers=0)).done == 1
    after = segments_of(out)
    untouched = sum(after[name] == stamp for name, stamp in before.items())
    assert untouched >= committed
    (row,) = read_stylized(run.folder).to_pylist()
    assert row["status"] == "ok"
    assert times_of(out / "images" / "a.mp4") == times_of(clip)
    assert times_of(clip)[-1] == pytest.approx(120, abs=0.5)
