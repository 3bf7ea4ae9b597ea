"""Bytes in and out of local folders and object stores; whole files only.

A file is either there with all its bytes or not there. On a local disk that is a temporary file,
fsync and rename; on an object store it is one PUT, because a rename there is a copy and a delete.
"""

import errno
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from upath import UPath

from pipelines.errors import PathLeavesRootError
from pipelines.interrupts import end_if_asked

_TEMPORARY = (".ganst-", ".tmp")
# What file systems without hard links answer: FAT, some network shares.
_CANNOT_LINK = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


def open_root(url_or_path: str) -> UPath:
    """A local path (made absolute, `~` expanded) or any fsspec URL."""
    path = UPath(url_or_path)
    if path.protocol in ("", "file", "local"):
        return UPath(os.path.abspath(Path(path.path).expanduser()))  # noqa: PTH100 keeps symlinks
    return path


def folder_and_name(place: UPath) -> tuple[UPath, str | None]:
    """A folder of photos, and the name of the one file in it where `place` is a file."""
    if place.suffix and not place.is_dir():
        return place.parent, place.name
    return place, None


def is_local(path: UPath) -> bool:
    """True on this machine's file system."""
    return path.protocol == ""


def resolve_inside(root: UPath, relative: str) -> UPath:
    """`root / relative`, refused where `relative` is absolute, empty or climbs out with `..`."""
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts:
        raise PathLeavesRootError(f"{relative!r} is not a path inside of {root}.")
    return root.joinpath(*parts)


def read_bytes(path: UPath) -> bytes:
    """The whole file. Errors of the file system pass through."""
    end_if_asked()
    return path.read_bytes()


def commit_bytes(path: UPath, data: bytes) -> None:
    """Put `data` at `path`, folders included, all or nothing; what was there is replaced."""
    end_if_asked()
    if is_local(path):
        _replace_local(Path(str(path)), data)
    else:
        path.fs.pipe_file(path.path, data)


def place_bytes(path: UPath, data: bytes) -> None:
    """As `commit_bytes`, for many files: that they are there outlasts a power cut after `settle`.

    At no time is one of them there in part.
    """
    end_if_asked()
    if is_local(path):
        _write_local(Path(str(path)), lambda made: _write_new(made, data), _rename, settles=False)
    else:
        path.fs.pipe_file(path.path, data)


def settle(folders: Iterable[UPath]) -> None:
    """See to it that the names in these folders outlast a power cut."""
    for folder in folders:
        if is_local(folder):
            _fsync(Path(str(folder)))


def commit_file(path: UPath, write: Callable[[Path], object]) -> None:
    """Put what `write` leaves in the local file that it is given at `path`, all or nothing.

    For what is too large to be held as bytes.
    """
    end_if_asked()
    if is_local(path):
        _write_local(Path(str(path)), write, _rename)
        return
    with tempfile.TemporaryDirectory(prefix="ganst-") as folder:
        made = Path(folder) / "made"
        write(made)
        path.fs.put_file(str(made), path.path)


def copy_file(source: UPath, target: UPath) -> None:
    """Put a copy of a file of the same storage at `target`, all or nothing, whatever its size."""
    if is_local(target):
        commit_file(target, lambda made: shutil.copyfile(str(source), made))
    else:
        end_if_asked()
        target.fs.cp_file(source.path, target.path)


def create_bytes(path: UPath, data: bytes) -> None:
    """Like `commit_bytes`, for a file that must not exist yet: of two writers one succeeds.

    On a store without conditional writes both may succeed.

    Raises:
        FileExistsError: It is there already; nothing was changed.

    """
    end_if_asked()
    if is_local(path):
        _replace_local(Path(str(path)), data, into_place=_link)
    elif path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    else:
        path.fs.pipe_file(path.path, data)


def sweep_temporaries(root: UPath, *, older_than_s: float = 3600) -> int:
    """Remove what writers that were killed left below `root`; gives the number of files."""
    if not is_local(root):
        return 0
    limit = time.time() - older_than_s
    return sum(
        _remove_if_older(Path(folder) / name, limit)
        for folder, _, names in os.walk(str(root))
        for name in names
        if name.startswith(_TEMPORARY[0]) and name.endswith(_TEMPORARY[1])
    )


def _rename(temporary: Path, path: Path) -> None:
    temporary.replace(path)


def _link(temporary: Path, path: Path) -> None:
    """A rename that replaces nothing."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.replace(path)
    else:
        temporary.unlink()


def _replace_local(
    path: Path, data: bytes, into_place: Callable[[Path, Path], None] = _rename
) -> None:
    _write_local(path, lambda temporary: _write_new(temporary, data), into_place)


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)


def _write_local(
    path: Path,
    write: Callable[[Path], object],
    into_place: Callable[[Path, Path], None],
    *,
    settles: bool = True,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed length: `.` + name + suffix would be too long for a name of 255 bytes.
    temporary = path.parent / f"{_TEMPORARY[0]}{uuid.uuid4().hex}{_TEMPORARY[1]}"
    try:
        write(temporary)
        _fsync(temporary)
        into_place(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            # A person knows the file that was to be written, not this one; of a full disk the system
            # names none at all.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    if settles:
        _fsync(path.parent)


def _fsync(path: Path) -> None:
    """Of a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_older(path: Path, limit: float) -> bool:
    try:
        if path.stat().st_mtime >= limit:
            return False
        path.unlink()
    except FileNotFoundError:  # another driver swept it
        return False
    return True
