"""Ctrl-C and SIGTERM at awkward moments, to real processes."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pandas as pd
import psutil
import pytest
from PIL import Image

from flows.stopping import Signals, stoppable
from pipelines import interrupts
from pipelines.storage import commit_bytes, open_root, read_bytes

LIMIT_S = 8  # 5 on a machine that does nothing else


@pytest.fixture
def many_photos(tmp_path) -> Path:
    """Some seconds of work for one process."""
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(24):
        Image.effect_noise((900, 700), 40 + index).convert("RGB").save(folder / f"{index}.jpg")
    return folder


def _hears_signals(process: Popen[str]) -> bool:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) & (1 << (signal.SIGTERM - 1)))


def _wait_for_line(process: Popen[str], word: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if line.startswith(word):
            return
    raise AssertionError(f"the command ended before {word!r}")


def _wait_for_imports(process: Popen[str]) -> None:
    while not _hears_signals(process):
        time.sleep(0.01)


def _stop(process: Popen[str], *kinds: int) -> str:
    """Signal the whole group, as a terminal does; gives standard error."""
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    for kind in kinds:
        os.killpg(process.pid, kind)
        time.sleep(0.05)
    _, complaint = process.communicate(timeout=60)
    assert time.monotonic() - began < LIMIT_S
    assert psutil.wait_procs(children, timeout=10)[1] == []
    return complaint


Moment = Callable[[Popen[str]], None]
MOMENTS: dict[str, Moment] = {
    "imports": _wait_for_imports,
    "stylize": lambda process: _wait_for_line(process, "ingest"),
    "report": lambda process: _wait_for_line(process, "stylize 24/24"),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("moment", "kinds", "status"),
    [
        ("imports", (signal.SIGINT,), 130),
        ("stylize", (signal.SIGINT,), 130),
        ("report", (signal.SIGTERM,), 143),
        ("stylize", (signal.SIGTERM, signal.SIGINT), 143),
    ],
)
def test_one_process_stops_at_any_moment_with_one_sentence_and_goes_on_later(
    moment, kinds, status, many_photos, ganst, tmp_path
):
    out = tmp_path / "out"
    command = ("stylize", many_photos, "--style", "tiny", "--out", out, "--workers", "0")
    process = ganst(*command)
    MOMENTS[moment](process)
    complaint = _stop(process, *kinds)
    assert process.returncode == status, complaint
    assert complaint.strip() == "ganst: stopped; the same command again goes on from here"
    if len(kinds) == 1:
        assert not list(out.rglob(".ganst-*"))
    if moment == "stylize":
        _, complaint = (again := ganst(*command)).communicate(timeout=120)
        assert again.returncode == 0, complaint
        assert (pd.read_parquet(out / "report.parquet").status == "ok").sum() == 24


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_terminal_interrupts_the_workers_too_and_nobody_complains(many_photos, ganst, tmp_path):
    out = tmp_path / "out"
    process = ganst("stylize", many_photos, "--style", "tiny", "--out", out, "--workers", "2")
    _wait_for_line(process, "ingest")
    complaint = _stop(process, signal.SIGINT)
    assert process.returncode == 130
    assert complaint.endswith("ganst: stopped; the same command again goes on from here\n")
    assert "Traceback" not in complaint
    assert "Exception ignored" not in complaint


def test_files_are_neither_read_nor_written_after_a_stop_was_asked_for(tmp_path):
    path = open_root(str(tmp_path / "file"))
    commit_bytes(path, b"before")
    interrupts.ask_to_stop()
    try:
        with pytest.raises(KeyboardInterrupt):
            commit_bytes(path, b"after")
        with pytest.raises(KeyboardInterrupt):
            read_bytes(path)
        with pytest.raises(KeyboardInterrupt):
            interrupts.pause(60)
    finally:
        interrupts.forget_stop()
    assert read_bytes(path) == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_verb_works_in_another_thread_and_gives_back_its_result_or_its_error():
    signals = Signals()
    main = threading.get_ident()
    assert signals.wait_for(threading.get_ident) != main
    with pytest.raises(ZeroDivisionError):
        signals.wait_for(lambda: 1 // 0)
    # Where nobody hears signals it is a plain call.
    assert stoppable(threading.get_ident)() == main
