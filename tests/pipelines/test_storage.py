import errno
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import storage
from pipelines.errors import PathLeavesRootError
from pipelines.storage import (
    commit_bytes,
    create_bytes,
    is_local,
    open_root,
    place_bytes,
    read_bytes,
    resolve_inside,
    settle,
    sweep_temporaries,
)

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, min_size=1, max_size=3), st.binary(max_size=200))
def test_bytes_come_back_from_a_path_of_any_characters(tmp_path_factory, parts, data):
    root = open_root(str(tmp_path_factory.mktemp("root")))
    path = resolve_inside(root, "/".join(parts))
    commit_bytes(path, data)
    assert read_bytes(path) == data
    assert [p for p in Path(str(root)).rglob("*") if p.is_file()] == [Path(str(path))]


@given(st.lists(st.one_of(NAMES, st.just(".."), st.just("")), max_size=5))
def test_a_resolved_path_never_leaves_its_root(parts):
    root = open_root("/photos/album")
    try:
        path = resolve_inside(root, "/".join(parts))
    except PathLeavesRootError:
        return
    assert os.path.normpath(str(path)).startswith("/photos/album/")


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc/passwd", "", ".."])
def test_a_path_that_could_leave_is_refused_by_name(relative):
    with pytest.raises(PathLeavesRootError, match="is not a path inside of /photos"):
        resolve_inside(open_root("/photos"), relative)


def test_a_file_url_is_a_local_path(tmp_path):
    assert is_local(open_root(f"file://{tmp_path}/a b"))
    assert str(open_root(f"file://{tmp_path}/a b")) == f"{tmp_path}/a b"


def test_memory_urls_hold_bytes_like_a_folder():
    root = open_root("memory://storage-test/run")
    commit_bytes(resolve_inside(root, "a/b c.bin"), b"one")
    commit_bytes(resolve_inside(root, "a/b c.bin"), b"two")
    assert read_bytes(root / "a" / "b c.bin") == b"two"
    assert not is_local(root)


def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    path = open_root(str(tmp_path)) / "part"
    commit_bytes(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        commit_bytes(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"part": b"old"}


def test_many_files_are_synced_as_they_come_and_their_names_when_they_are_settled(
    tmp_path, monkeypatch
):
    synced: list[str] = []
    monkeypatch.setattr(storage, "_fsync", lambda path: synced.append(path.name))
    for name in ("a", "b"):
        place_bytes(open_root(str(tmp_path)) / "images" / name, name.encode())
    assert len(synced) == 2
    assert "images" not in synced
    settle({open_root(str(tmp_path)) / "images", open_root("memory://settle")})
    assert synced[2:] == ["images"]
    assert {p.name for p in (tmp_path / "images").iterdir()} == {"a", "b"}


@pytest.mark.parametrize("links", [True, False])
def test_of_two_writers_of_a_new_file_one_succeeds(tmp_path, monkeypatch, links):
    def cannot(_path: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", cannot)
    path = open_root(str(tmp_path)) / "run.json"
    create_bytes(path, b"first")
    with pytest.raises(FileExistsError):
        create_bytes(path, b"second")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"run.json": b"first"}


def test_the_sweep_takes_only_old_temporary_files(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in (".ganst-old.tmp", ".ganst-new.tmp", "photo.jpg", ".ganst-mine"):
        (folder / name).write_bytes(b"x")
    for name in (".ganst-old.tmp", "photo.jpg", ".ganst-mine"):
        os.utime(folder / name, (time.time() - 7200,) * 2)
    assert sweep_temporaries(open_root(str(tmp_path))) == 1
    assert sorted(p.name for p in folder.iterdir()) == [
        ".ganst-mine",
        ".ganst-new.tmp",
        "photo.jpg",
    ]
