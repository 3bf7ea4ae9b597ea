"""Small trainings, in this process and as commands of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganst.training.config import Budget, TrainConfig
from pipelines.training.job import TrainJob

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(preset="tiny", crop_px=32, batch_size=2, precision="fp32")


def make_pictures(home: Path, photos: int = 2, paintings: int = 2) -> tuple[Path, Path]:
    """Folders `photos` and `paintings` below `home` with noise of 50 x 40 pixels."""
    rng = np.random.default_rng(0)
    for folder, count in (("photos", photos), ("paintings", paintings)):
        (home / folder).mkdir()
        for n in range(count):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / folder / f"{n:02}.png")
    return home / "photos", home / "paintings"


def make_job(folders: tuple[Path, Path], out: Path, images: int = 8) -> TrainJob:
    return TrainJob(
        style="ink",
        photos=folders[0],
        paintings=folders[1],
        out=out / "ink",
        budget=Budget(images=images),
        config=CONFIG,
        licence="CC0-1.0",
        threads=1,
    )


def command(folders: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "pipelines.train", "--style", "ink", "--photos", str(folders[0]),
        "--paintings", str(folders[1]), "--out", str(out), "--preset", "tiny", "--crop", "32",
        "--batch", "2", "--threads", "1", "--precision", "fp32", "--checkpoint-every", "0", *more,
    ]  # fmt: skip


def run(*args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        args, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def start(*args: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        args, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_checkpoint(process: subprocess.Popen[str], out: Path, number: int = 2) -> None:
    """Until the checkpoint has been written `number` times."""
    path, seen = out / ".training" / "ink" / "checkpoint.safetensors", set()
    limit = time.monotonic() + 60
    while len(seen) < number:
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        if process.poll() is not None or time.monotonic() > limit:
            pytest.fail(f"no {number} checkpoints: {process.communicate()[1]}")
        time.sleep(0.002)
