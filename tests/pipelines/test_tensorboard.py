import dataclasses
import math
import struct
from pathlib import Path

import pytest

from pipelines.train import train
from pipelines.training.tensorboard import EventWriter, crc32c
from tests.pipelines.trainings import make_job, make_pictures


def _records(path: Path) -> list[bytes]:
    """The data of a TFRecord file whose checksums hold."""
    raw, found = path.read_bytes(), []
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        parts = raw[:8], raw[12 : 12 + length]
        for data, stored in zip(parts, (raw[8:12], raw[12 + length : 16 + length]), strict=True):
            crc = crc32c(data)
            assert stored == struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)
        found.append(parts[1])
        raw = raw[16 + length :]
    return found


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283


def test_a_point_is_written_byte_by_byte_as_the_format_has_it(tmp_path: Path):
    with EventWriter(tmp_path / "runs") as writer:
        writer.write(300, {"a": 1.5})
    (path,) = (tmp_path / "runs").iterdir()
    first, point = (record[9:] for record in _records(path))  # behind the wall time
    assert first == b"\x1a\x0dbrain.Event:2"
    value = b"\x0a\x01a" + b"\x15" + struct.pack("<f", 1.5)
    assert point == b"\x10\xac\x02" + b"\x2a\x0a" + b"\x0a\x08" + value


def test_tensorboard_reads_what_was_written(tmp_path: Path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with EventWriter(tmp_path) as writer:
        for step in range(3):
            writer.write(step, {"loss/G": step / 2, "rate": math.pi})
    found = loader.EventAccumulator(str(tmp_path)).Reload()
    assert found.Tags()["scalars"] == ["loss/G", "rate"]
    assert [(p.step, p.value) for p in found.Scalars("loss/G")] == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_a_training_leaves_its_curves_where_it_is_told(tmp_path: Path):
    job = make_job(make_pictures(tmp_path), tmp_path, images=40)
    train(dataclasses.replace(job, tensorboard=tmp_path / "curves"))
    (path,) = (tmp_path / "curves").iterdir()
    text = path.read_bytes()
    assert len(_records(path)) == 3  # the head, and two steps of twenty
    assert all(name in text for name in (b"loss/D", b"images_per_s", b"learning_rate", b"style"))
