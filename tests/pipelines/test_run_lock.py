import subprocess
import sys
import threading
from pathlib import Path

import pytest
from upath import UPath

from pipelines import interrupts
from pipelines.run_lock import one_at_a_time
from pipelines.storage import open_root

ROOT = Path(__file__).parents[2]
_HOLD = """
import sys, time
from pipelines.run_lock import one_at_a_time
from pipelines.storage import open_root
with one_at_a_time(open_root(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_waits_for_the_first_says_so_and_leaves_nothing(tmp_path, caplog):
    order: list[str] = []
    folder = open_root(str(tmp_path))

    def second() -> None:
        with one_at_a_time(folder):
            order.append("second")

    thread = threading.Thread(target=second)
    with one_at_a_time(folder):
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    assert f"Another command is at work on {tmp_path}" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_killed_command_holds_nothing(tmp_path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        interrupts.ask_to_stop()
        try:
            with pytest.raises(KeyboardInterrupt), one_at_a_time(open_root(str(tmp_path))):
                raise AssertionError("two hold one folder")
        finally:
            interrupts.forget_stop()
        holder.kill()
    with one_at_a_time(open_root(str(tmp_path))):
        pass


def test_other_folders_and_object_stores_need_not_wait(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with one_at_a_time(open_root(str(tmp_path))), one_at_a_time(open_root(str(other))):
        pass
    store = UPath("memory://run-lock")
    with one_at_a_time(store), one_at_a_time(store):
        pass
