import dataclasses
import errno
import os
import signal
from pathlib import Path

import pytest

from ganst.errors import CheckpointError, TrainingError
from ganst.models.stylepack import load_stylepack
from ganst.training.config import Budget
from pipelines.train import train
from pipelines.training.folder import TrainingFolder
from pipelines.training.rank import open_training
from tests.pipelines.trainings import (
    command,
    make_job,
    make_pictures,
    run,
    start,
    wait_for_checkpoint,
)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return make_pictures(tmp_path)


def _stopped_after(job, num_steps: int) -> TrainingFolder:
    """A training that was asked to stop, as by a signal."""
    asked = iter(range(1, 1000))
    training = open_training(job)
    assert not training.run(lambda _: None, lambda: next(asked) >= num_steps)
    return training.folder


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_was_ended_goes_on_to_the_same_pack_bit_for_bit(
    folders, tmp_path: Path, number: signal.Signals
):
    straight = load_stylepack(train(make_job(folders, tmp_path / "straight", images=60)))
    out = tmp_path / "killed"
    with start(*command(folders, out, "--images", "60")) as process:
        wait_for_checkpoint(process, out)
        os.kill(process.pid, number)
        _, told = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "the same command with --resume goes on from here" in told
    assert not (out / "ink").exists()
    done = run(*command(folders, out, "--images", "60", "--resume"))
    assert done.returncode == 0, done.stderr
    assert load_stylepack(out / "ink").digest == straight.digest
    assert not TrainingFolder.beside(out / "ink").has_checkpoint()


def test_an_unfinished_training_is_neither_lost_nor_invented(folders, tmp_path: Path):
    job = make_job(folders, tmp_path)
    with pytest.raises(CheckpointError, match="ink has no unfinished training to resume"):
        train(dataclasses.replace(job, begin="resume"))
    folder = _stopped_after(job, 2)
    with pytest.raises(CheckpointError, match="go on with --resume, or begin anew with --replace"):
        train(job)
    assert folder.has_checkpoint()
    train(dataclasses.replace(job, begin="replace"))
    assert not folder.has_checkpoint()


def test_a_checkpoint_of_another_training_is_refused_with_the_difference(folders, tmp_path: Path):
    job = make_job(folders, tmp_path)
    folder = _stopped_after(job, 2)
    before = folder.checkpoint.read_bytes()
    other = dataclasses.replace(
        job,
        config=dataclasses.replace(job.config, seed=3),
        budget=Budget(images=80),
        begin="resume",
    )
    with pytest.raises(CheckpointError, match=r"another training: images 8 -> 80, seed 0 -> 3;"):
        train(other)
    (folders[0] / "00.png").unlink()
    with pytest.raises(CheckpointError, match=r"photos [0-9a-f]{16} -> [0-9a-f]{16}"):
        train(dataclasses.replace(job, begin="resume"))
    assert folder.checkpoint.read_bytes() == before


def test_a_damaged_checkpoint_is_named(folders, tmp_path: Path):
    job = make_job(folders, tmp_path)
    folder = _stopped_after(job, 2)
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:1000])
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.safetensors cannot be used: it is trun"
    ):
        train(dataclasses.replace(job, begin="resume"))


def _full_disk(_fd: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_last_good_checkpoint(folders, tmp_path: Path, monkeypatch, caplog):
    job = dataclasses.replace(make_job(folders, tmp_path), checkpoint_every_s=0)
    folder = _stopped_after(job, 2)
    before = folder.checkpoint.read_bytes()
    monkeypatch.setattr(os, "fsync", _full_disk)
    with pytest.raises(TrainingError, match=r"pack cannot be saved in .*: No space left on device"):
        train(dataclasses.replace(job, begin="resume"))
    assert "cannot be written: No space left on device; training goes on" in caplog.text
    assert folder.checkpoint.read_bytes() == before
    assert [path.name for path in folder.root.iterdir()] == ["checkpoint.safetensors"]
    monkeypatch.undo()
    assert load_stylepack(train(dataclasses.replace(job, begin="resume"))).card
