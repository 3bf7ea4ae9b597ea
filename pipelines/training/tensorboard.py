"""Event files that TensorBoard reads, written without it: numbers by name and step.

A record is its length, the data and a masked CRC-32C of each (TFRecord); the data is one `Event` message
of tensorflow/core/util/event.proto, of which three fields are needed.
"""

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed


class EventWriter:
    """Appends to one new file in a folder, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / f"{name}.{time.monotonic_ns()}").open("xb")
        self._write(_text(3, b"brain.Event:2"))

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve."""
        points = (
            _text(1, _text(1, name.encode()) + _key(2, 5) + struct.pack("<f", value))
            for name, value in values.items()
        )
        self._write(_key(2, 0) + _number(step) + _text(5, b"".join(points)))

    def _write(self, fields: bytes) -> None:
        record = _key(1, 1) + struct.pack("<d", time.time()) + fields
        length = struct.pack("<Q", len(record))
        self._file.write(length + _masked(length) + record + _masked(record))
        self._file.flush()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC, 32 bits (RFC 3720, B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _table_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = [_table_entry(value) for value in range(256)]


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _key(field: int, wire_type: int) -> bytes:
    return bytes([field << 3 | wire_type])


def _number(value: int) -> bytes:
    """A varint: seven bits a byte, the lowest first."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _text(field: int, data: bytes) -> bytes:
    return _key(field, 2) + _number(len(data)) + data
