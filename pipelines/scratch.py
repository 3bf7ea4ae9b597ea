"""Room for feature maps that do not fit in memory: files without a name in the temporary folder.

Read and written, not mapped: pages of a mapping count as memory of the process.
"""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ganst.lines import Store
from ganst.tiling import MemoryStore, OpenStore, Shape, Tiling

# Activations of the `fast` network on 13 MP in bf16, which are 2.3 GB a worker in all. Strips compute every
# layer again for each norm behind it: 4.8 times the time on 12 MP.
DEFAULT_MEMORY_MB = 1536

# Three maps of the residual blocks are kept at a time, in half of what activations may take.
_MAPS = 3


class FileStore:
    """A map `[lines, across, C]` in a file."""

    def __init__(self, descriptor: int, shape: Shape, dtype: torch.dtype) -> None:
        self._descriptor = descriptor
        self._line_shape = shape[1:]
        self._line_bytes = math.prod(self._line_shape) * dtype.itemsize
        self._dtype = dtype

    def write(self, start: int, lines: Tensor) -> None:
        """Put `[n, across, C]` at line `start`."""
        left = memoryview(lines.contiguous().view(torch.uint8).numpy()).cast("B")  # pyrefly: ignore
        offset = start * self._line_bytes
        while left:  # a write of over 2 GiB is cut by the system
            written = os.pwrite(self._descriptor, left, offset)
            left, offset = left[written:], offset + written

    def read(self, start: int, stop: int) -> Tensor:
        """`[stop - start, across, C]`."""
        lines = np.empty((stop - start) * self._line_bytes, np.uint8)
        left, offset = memoryview(lines), start * self._line_bytes  # pyrefly: ignore
        while left:
            got = os.preadv(self._descriptor, [left], offset)
            assert got, "a line was read that was never written"
            left, offset = left[got:], offset + got
        return torch.from_numpy(lines).view(self._dtype).reshape(-1, *self._line_shape)


def tiling_for(memory_mb: int) -> Tiling:
    """Tiling for a worker whose activations may take so many MB (10^6 bytes)."""
    max_bytes = memory_mb * 10**6
    return Tiling(max_bytes=max_bytes, open_store=_rooms(max_bytes // 2 // _MAPS))


def _rooms(largest_in_memory: int) -> OpenStore:
    @contextmanager
    def open_store(shape: Shape, dtype: torch.dtype) -> Iterator[Store]:
        if math.prod(shape) * dtype.itemsize <= largest_in_memory:
            yield MemoryStore(shape, dtype)
            return
        with tempfile.TemporaryFile(prefix="ganst-map-") as file:
            yield FileStore(file.fileno(), shape, dtype)

    return open_store
