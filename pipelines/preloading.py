"""Local worker processes are forked from one that has loaded what all of them need.

Torch, Arrow and Dask take a process two seconds of CPU time to load: once a command, not once a
worker. What is forked has no threads yet and no GPU in use, so that nothing breaks at the fork.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver

# Else every feature map goes back to the system and comes anew, page by page, in every layer: nearly
# half of a worker's time. Larger ones than those of a strip or of a common photo still go back at once:
# kept in one heap, the maps and pixels of large photos would leave gaps that come to gigabytes.
WORKER_ENVIRONMENT = {
    # Work is done in a thread beside the main one. The heap of such a thread is made of pieces of 64 MB,
    # which a large feature map fills, and which go back to the system whatever is said below.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(256 * 1024**2),  # Dask's own: 64 KiB
    "MALLOC_MMAP_THRESHOLD_": str(64 * 1024**2),
    # A photo in one piece, which goes back like those: in Pillow's usual pieces of 16 MB it would stay.
    "PILLOW_BLOCK_SIZE": "1024m",
}
_AT_START = WORKER_ENVIRONMENT | {
    # As Dask starts a worker: libraries read these when they are loaded.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "6640",
    # A folder "pipelines" in the working directory is not this package.
    "PYTHONSAFEPATH": "1",
}
_COMMON = ("distributed", "pipelines.collection", "pipelines.stylizing")


def load_ahead(*modules: str) -> None:
    """Start that process, if it is not there; it loads the modules while this one goes on.

    What it cannot load a worker loads for itself.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload([*_COMMON, *modules])
    with _environment(_AT_START):
        forkserver.ensure_running()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
