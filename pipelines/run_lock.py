"""One command at a time on a RUN folder: a second one waits, and then finds its work done.

Shards alone could be made by two drivers at once, because both write the same bytes. Corrections
move files that another driver may be writing, and a driver that cut its shards at another moment
would put a first output over a corrected one.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from upath import UPath

from pipelines.interrupts import pause
from pipelines.storage import is_local

log = logging.getLogger(__name__)

_POLL_S = 0.1
# File systems without such locks; NFS, for one, locks no folder that is only read.
_CANNOT_LOCK = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


@contextmanager
def one_at_a_time(folder: UPath) -> Iterator[None]:
    """Hold the existing `folder` for this block, after whoever holds it now.

    The folder itself is locked, so that nothing is left behind, and the system lets go of it when
    the process ends, however it ends. Nothing is locked on object stores and where the file system
    knows no locks: there only first outputs may be made by two drivers at once.

    Raises:
        KeyboardInterrupt: A stop was asked for while waiting.

    """
    if not is_local(folder):
        yield
        return
    # Not inherited by processes that are started meanwhile: workers must not outlive the lock.
    descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not _try_lock(descriptor):
            log.warning("Another command is at work on %s: waiting for its end.", folder)
            while not _try_lock(descriptor):
                pause(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """True where the lock is ours, or where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LOCK:
            raise
    return True
