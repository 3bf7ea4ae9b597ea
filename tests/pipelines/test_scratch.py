import tempfile

import pytest
import torch

from ganst.tiling import MemoryStore
from pipelines.scratch import FileStore, tiling_for


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_file_gives_back_what_memory_gives_back(dtype: torch.dtype):
    shape = (7, 5, 3)
    lines = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    with tempfile.TemporaryFile() as file:
        stores = FileStore(file.fileno(), shape, dtype), MemoryStore(shape, dtype)
        for store in stores:
            store.write(4, lines[4:])
            store.write(0, lines[:4])
            store.write(2, lines[1:3])  # some lines again
        for start, stop in ((0, 7), (2, 4), (6, 7)):
            ours, theirs = (store.read(start, stop) for store in stores)
            assert ours.dtype == dtype
            assert torch.equal(ours, theirs)


def test_only_maps_over_a_sixth_of_the_memory_go_to_a_file():
    open_store = tiling_for(6).open_store
    with open_store((100, 100, 25), torch.float32) as small:  # 1.0 MB
        assert isinstance(small, MemoryStore)
    with open_store((101, 100, 25), torch.float32) as large:
        assert isinstance(large, FileStore)
