"""Which image a worker was at when it died.

A segmentation fault in a codec or the out-of-memory killer takes the whole process, and Dask can
only tell which *shard* it had. So every attempt at a shard keeps a locked file whose last line
names the images it is at: one, or a few where reading and writing overlap. A file that nobody locks
any more is a dead attempt. After a death of several suspects the shard is done one by one.

Only deaths below one call of a stage count: when a command is killed its workers die in the middle
of innocent images. Local and shared POSIX disks only; elsewhere nothing is recorded.
"""

import fcntl
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from pipelines.storage import is_local

DEATHS_ALLOWED = 1
KILLED = f"The image killed its worker process {DEATHS_ALLOWED + 1} times."


def new_call() -> str:
    """A token for one call of a stage."""
    return uuid.uuid4().hex


@contextmanager
def leave_trail(parts: UPath, shard: str, call: str) -> Iterator[Callable[..., None]]:
    """Gives a function to call with the names of all images in work, whenever one is added.

    An exception is no death: the file goes, whatever ends the block.
    """
    if not is_local(parts):
        yield lambda *_sources: None
        return
    folder = Path(str(parts))
    folder.mkdir(parents=True, exist_ok=True)
    # Named like a temporary file: what killed commands leave is swept with those.
    path = folder / f".ganst-{_stem(shard, call)}-{uuid.uuid4().hex}.tmp"
    with path.open("x") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

        def step(*sources: str) -> None:
            file.write(json.dumps(sources) + "\n")
            file.flush()

        try:
            yield step
        finally:
            path.unlink(missing_ok=True)


def find_killers(parts: UPath, shard: str, call: str) -> frozenset[str]:
    """The images at which more attempts of this call died than are allowed, one of them alone."""
    deaths = find_deaths(parts, shard, call)
    counts = Counter(source for suspects in deaths for source in suspects)
    alone = {suspects[0] for suspects in deaths if len(suspects) == 1}
    return frozenset(source for source in alone if counts[source] > DEATHS_ALLOWED)


def find_deaths(parts: UPath, shard: str, call: str) -> list[list[str]]:
    """For each attempt of this call that died: the images it was at."""
    if not is_local(parts):
        return []
    trails = Path(str(parts)).glob(f".ganst-{_stem(shard, call)}-*.tmp")
    return [last for trail in trails if (last := _last_step(trail))]


def _stem(shard: str, call: str) -> str:
    return f"{shard}-{call}"


def _last_step(trail: Path) -> list[str] | None:
    """Where a dead attempt ended; None for one that is alive, done, or had not begun."""
    try:
        with trail.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            lines = [line for line in file if line.endswith("\n")]
    except (BlockingIOError, FileNotFoundError):
        return None
    return json.loads(lines[-1]) if lines else None
