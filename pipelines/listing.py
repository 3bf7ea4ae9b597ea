"""What lies in a photo folder: every file seen, with its size and stamp, nothing opened.

Seen are all files but hidden ones (a name that begins with a dot, in any folder of the path) and
Thumbs.db and desktop.ini. Folders that are RUN folders are passed over: they hold results. A link
to a folder is not followed: inside of the tree its files are seen at their own path anyway.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from upath import UPath

from pipelines.errors import EmptyFolderError
from pipelines.runs import is_run_folder
from pipelines.storage import is_local

_CHUNK = 4096
_NOT_SEEN = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SeenFile:
    """One file of the folder. `error` is set where its bytes must not or cannot be read."""

    source: str  # relative, POSIX
    num_bytes: int
    modified: str  # the store's stamp: mtime in ns, or an ETag
    error: str | None = None


SEEN = pa.schema(
    [
        ("source", pa.string()),
        ("num_bytes", pa.int64()),
        ("modified", pa.string()),
        ("error", pa.string()),
    ]
)


def see_files(photos: UPath) -> pa.Table:
    """All files of the folder as SEEN, sorted by path.

    Raises:
        EmptyFolderError: No such folder, or no file in it.

    """
    if is_local(photos):
        root = Path(str(photos))
        if not root.is_dir():
            raise EmptyFolderError(f"There is no photo folder {photos}.")
        found = _walk(root, root)
    else:
        found = _list_remote(photos)
    files = as_table(found)
    if not files.num_rows:
        raise EmptyFolderError(f"There is no file in the photo folder {photos}.")
    return files


def list_files(photos: UPath) -> list[SeenFile]:
    """The same as a list."""
    return [SeenFile(**row) for row in see_files(photos).to_pylist()]


def as_table(files: Iterable[SeenFile]) -> pa.Table:
    """SEEN, sorted by path; never more than some thousands of files are objects of Python."""
    found = iter(files)
    batches = []
    while chunk := list(islice(found, _CHUNK)):
        columns = zip(*map(_values, chunk), strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, SEEN.types, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=SEEN))
    return pa.Table.from_batches(batches, SEEN).sort_by("source")


def list_one(folder: UPath, name: str) -> list[SeenFile]:
    """That file of a folder, whatever its name.

    Raises:
        EmptyFolderError: There is no such file.

    """
    path = folder / name
    if not path.is_file():
        raise EmptyFolderError(f"There is no photo, clip or folder {path}.")
    if not is_local(path):
        facts = cast("dict[str, Any]", path.fs.info(path.path))
        return [SeenFile(source=name, num_bytes=int(facts["size"]), modified=_stamp(facts))]
    found = path.stat()
    return [SeenFile(source=name, num_bytes=found.st_size, modified=str(found.st_mtime_ns))]


def _values(file: SeenFile) -> tuple[str, int, str, str | None]:
    return (file.source, file.num_bytes, file.modified, file.error)


def _walk(folder: Path, root: Path) -> Iterator[SeenFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:
        if folder == root:
            raise
        yield _unread(folder, root, "The folder may not be opened (permission denied).")
        return
    for entry in entries:
        if not _is_seen(entry.name):
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield from _see(entry, root)
        elif not is_run_folder(UPath(entry.path)):
            yield from _walk(Path(entry.path), root)


def _see(entry: os.DirEntry[str], root: Path) -> Iterator[SeenFile]:
    path = Path(entry.path)
    if entry.is_symlink():
        leaves = _leaves(path, root)
        if leaves:
            yield _unread(path, root, leaves)
            return
        if path.is_dir():
            return
    facts = path.stat()
    if not _is_text(entry.name):
        yield _unread(path, root, "The file name is not valid UTF-8: rename the file.")
    elif not stat.S_ISREG(facts.st_mode):
        yield _unread(path, root, "It is not a file but a pipe, socket or device.")
    else:
        yield SeenFile(
            source=path.relative_to(root).as_posix(),
            num_bytes=facts.st_size,
            modified=str(facts.st_mtime_ns),
        )


def _leaves(link: Path, root: Path) -> str | None:
    """Why a symbolic link is not followed; None where it stays in the folder."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return "The symbolic link leads nowhere."
    if not target.is_relative_to(root.resolve()):
        return f"The symbolic link leaves the photo folder and is not followed (to {target})."
    return None


def _unread(path: Path, root: Path, error: str) -> SeenFile:
    source = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    text = os.fsencode(error).decode("utf-8", "backslashreplace")
    return SeenFile(source=source, num_bytes=0, modified="", error=text)


def _is_seen(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_SEEN


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _list_remote(photos: UPath) -> Iterator[SeenFile]:
    prefix = photos.path.rstrip("/") + "/"
    found = cast("dict[str, dict[str, Any]]", photos.fs.find(photos.path, detail=True))
    runs = _run_prefixes(photos, prefix, found)
    for key, facts in found.items():
        source = key.removeprefix(prefix)
        hidden = not all(_is_seen(part) for part in source.split("/"))
        if hidden or source.startswith(runs) or source == key:
            continue
        yield SeenFile(source=source, num_bytes=int(facts["size"]), modified=_stamp(facts))


def _run_prefixes(photos: UPath, prefix: str, found: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    names = [key.removeprefix(prefix) for key in found if key.endswith("/run.json")]
    folders = [name.removesuffix("run.json") for name in names]
    return tuple(name for name in folders if name and is_run_folder(photos / name))


def _stamp(facts: dict[str, Any]) -> str:
    for name in ("ETag", "etag", "LastModified", "mtime", "last_modified", "created"):
        if facts.get(name):
            return str(facts[name]).strip('"')
    return ""
