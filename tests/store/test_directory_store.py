"""What only a directory can get wrong."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaflow_hera.errors import ConflictError, MissingKeyError, StoreError
from metaflow_hera.store import ABSENT
from metaflow_hera.store.directory import MAPPED_FROM, DirectoryStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return DirectoryStore.open(str(root))


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_nothing_is_made_before_the_first_write(store: DirectoryStore, root: Path) -> None:
    assert list(store.keys("")) == []
    assert store.head("a") == ABSENT
    with pytest.raises(MissingKeyError):
        store.get("a")
    assert not root.exists()


def test_objects_are_files_and_nothing_else_stays(store: DirectoryStore, root: Path) -> None:
    store.put("a/b", b"x")
    store.put("a/c", b"y", expect=ABSENT)
    for _ in range(2):
        with pytest.raises(ConflictError):
            store.put("a/c", b"z", expect=ABSENT)
    assert files(root) == ["a/b", "a/c"]
    assert (root / "a" / "b").read_bytes() == b"x"


def test_a_relative_path_is_of_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore.open("here")
    monkeypatch.chdir("/")
    assert store.uri == str(tmp_path / "work" / "here")


def test_the_same_content_written_again_is_another_version(store: DirectoryStore) -> None:
    versions = {store.put("a", b"same") for _ in range(200)}
    assert len(versions) == 200


def test_large_objects_are_mapped_memory_of_ones_own(store: DirectoryStore) -> None:
    store.put("a", b"x" * MAPPED_FROM)
    view = store.get("a")
    assert isinstance(view, memoryview)
    view[0] = ord("y")
    assert bytes(store.get("a", 0, 1)) == b"x"
    store.put("a", b"z" * MAPPED_FROM)
    assert bytes(view[:2]) == b"yx"


def test_a_writer_that_is_killed_leaves_no_object(store: DirectoryStore, root: Path) -> None:
    script = (
        "import os, sys\n"
        "from metaflow_hera.store.directory import DirectoryStore\n"
        "store = DirectoryStore.open(sys.argv[1])\n"
        "store.put('whole', b'x')\n"
        "data = b'x' * 50_000_000\n"
        "print('ready', flush=True)\n"
        "while True: store.put('half', data, data, data)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while not list(root.glob(".*")):
            pass
        process.send_signal(signal.SIGKILL)
    assert set(store.keys("")) <= {"half", "whole"}
    if "half" in store.keys(""):
        assert len(store.get("half")) == 150_000_000
    assert all(file.startswith(".") or file in ("half", "whole") for file in files(root))


def test_a_writer_that_is_killed_holds_no_lock(store: DirectoryStore, root: Path) -> None:
    version = store.put("a", b"1")
    child = os.fork()
    if child == 0:
        for _ in range(10_000_000):
            version = store.put("a", b"child", expect=version)
        os._exit(0)
    while bytes(store.get("a")) == b"1":
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    store.put("a", b"2", expect=store.head("a"))
    assert bytes(store.get("a")) == b"2"


def test_folders_without_objects_are_not_listed(store: DirectoryStore, root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / ".half").write_bytes(b"")
    assert list(store.keys("")) == list(store.keys("", deep=False)) == []


def test_a_path_that_is_a_file_is_told(root: Path) -> None:
    root.write_text("")
    store = DirectoryStore.open(str(root))
    for call in (
        lambda: store.put("a", b""),
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: [*store.keys("")],
    ):
        with pytest.raises(StoreError, match="a part of the path is a file") as told:
            call()
        assert not isinstance(told.value, MissingKeyError)
        assert str(root) in str(told.value)


def test_an_object_below_another_is_told(store: DirectoryStore) -> None:
    store.put("a", b"")
    with pytest.raises(StoreError, match="cannot write a/b: a part of the path is a file"):
        store.put("a/b", b"")
    with pytest.raises(MissingKeyError):
        store.get("a/b")
    store.put("c/d", b"")
    with pytest.raises(StoreError, match="cannot write c: there is a directory in its place"):
        store.put("c", b"")
    assert list(store.keys("")) == ["a", "c/d"]


def test_a_name_that_is_too_long_is_told(store: DirectoryStore) -> None:
    with pytest.raises(StoreError, match="the name is too long"):
        store.put("a" * 300, b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_folder_without_permission_is_told(store: DirectoryStore, root: Path) -> None:
    root.mkdir(mode=0o555)
    with pytest.raises(StoreError, match="this user may not"):
        store.put("a", b"")


@pytest.fixture
def small_disk() -> Iterator[int]:
    """No file can become larger than this: what comes nearest to a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_what_cannot_be_written_whole_is_not_there(store: DirectoryStore, root: Path, small_disk: int) -> None:
    store.put("a", b"before")
    with pytest.raises(StoreError, match=os.strerror(errno.EFBIG)):
        store.put("a", b"x" * (small_disk * 2))
    assert bytes(store.get("a")) == b"before"
    assert files(root) == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told() -> None:
    store = DirectoryStore.open("/dev/full/below")
    with pytest.raises(StoreError, match="cannot write a: "):
        store.put("a", b"")
