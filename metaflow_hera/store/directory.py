"""A store in a directory: a file for each object, under its key.

Written for many small objects: an object is a temporary file in its own folder, moved to its name when it is whole;
folders are made when a write misses one. Large objects are read as mapped memory, which is the process's own: whoever
changes what was read changes no file.

Nothing is flushed to the disk (`fsync` takes 1 to 10 ms, a hundred times a small write): the death of a process loses
nothing, since what was written is in the kernel's hands. A machine that loses power may keep a file's name without its
content, so readers above this module take a record that is empty or cannot be decoded for absent, and compare the size
of a value with the one that was noted.
"""
# pathlib takes as long as the system calls do, and a task is a few of these calls.
# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH113, PTH116

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from metaflow_hera.errors import ConflictError, MissingKeyError, StoreError
from metaflow_hera.store import ABSENT, Data, Version
from metaflow_hera.store.keys import checked_key, split_prefix

MAPPED_FROM = 1 << 18
"""Bytes from which an object is read as mapped memory; below, copying is faster than the page faults."""

_TEMPORARY = "."
_LOCK = ".lock"
_BUFFERS = 512
"""Of one `writev`; systems allow 1,024."""
_REASONS = {
    errno.EACCES: "this user may not; give it permission, or choose another place with --datastore",
    errno.EPERM: "this user may not, or the file system has no hard links; choose another place with --datastore",
    errno.EROFS: "the file system is read-only; choose another place with --datastore",
    errno.ENOSPC: "the disk is full; free some space, or choose another place with --datastore",
    errno.EDQUOT: "the quota of this user is used up; free some space, or choose another place with --datastore",
    errno.ENOTDIR: "a part of the path is a file; move that file, or choose another place with --datastore",
    errno.EISDIR: "there is a directory in its place; move it, or choose another place with --datastore",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose shorter names",
    errno.EMFILE: "this process has too many files open; raise `ulimit -n`",
}


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    """Objects as files below *root*, an absolute path; the directory is made by the first write."""

    root: str

    @classmethod
    def open(cls, uri: str) -> Self:
        return cls(str(Path(uri).expanduser().absolute()))

    @property
    def uri(self) -> str:
        return self.root

    @property
    def parallelism(self) -> int:
        return 1

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        path = f"{self.root}/{checked_key(key)}"
        try:
            temporary, version = _written(path, parts)
            try:
                self._place(temporary, path, expect)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise self._problem("write", key, error) from error
        return version

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        path = f"{self.root}/{checked_key(key)}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _read(file, start, end)
            finally:
                os.close(file)
        except OSError as error:
            if self._is_missing(error):
                raise MissingKeyError(f"datastore {self.root}: there is no {key}") from error
            raise self._problem("read", key, error) from error

    def head(self, key: str) -> Version:
        try:
            return _version_at(f"{self.root}/{checked_key(key)}")
        except OSError as error:
            if self._is_missing(error):
                return ABSENT
            raise self._problem("look at", key, error) from error

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        folder, begin = split_prefix(prefix)
        try:
            yield from self._walk(folder, begin, deep=deep)
        except OSError as error:
            raise self._problem("list", prefix, error) from error

    def _place(self, temporary: str, path: str, expect: Version | None) -> None:
        """Give a whole file its name, if the object is as expected."""
        if expect is None:
            os.rename(temporary, path)
        elif expect == ABSENT:
            try:
                os.link(temporary, path)
            except FileExistsError as error:
                raise ConflictError(f"datastore {self.root}: {path} is there already") from error
            os.unlink(temporary)
        else:
            self._swap(temporary, path, expect)

    def _swap(self, temporary: str, path: str, expect: Version) -> None:
        # The lock ends with the descriptor, so also with a process that dies here. Writers without a condition do not
        # wait for it: an object is either always or never written with one.
        lock = os.open(f"{self.root}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _version_at(path) != expect:
                raise ConflictError(f"datastore {self.root}: {path} was changed by someone else")
            os.rename(temporary, path)
        except FileNotFoundError as error:
            raise ConflictError(f"datastore {self.root}: {path} is gone") from error
        finally:
            os.close(lock)

    def _walk(self, folder: str, begin: str, *, deep: bool) -> Iterator[str]:
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                # With their "/", folders sort among files as the keys in them do.
                names = sorted(
                    f"{entry.name}/" if entry.is_dir() else entry.name
                    for entry in entries
                    if entry.name.startswith(begin) and not entry.name.startswith(_TEMPORARY)
                )
        except OSError as error:
            if self._is_missing(error):
                return
            raise
        for name in names:
            if not name.endswith("/"):
                yield folder + name
            elif deep:
                yield from self._walk(folder + name, "", deep=True)
            elif next(self._walk(folder + name, "", deep=True), None) is not None:
                yield folder + name

    def _is_missing(self, error: OSError) -> bool:
        """Whether an error says no more than that there is no such object in a store that can be used."""
        if error.errno in (errno.ENOTDIR, errno.EISDIR):
            return not os.path.isfile(self.root)
        return error.errno == errno.ENOENT

    def _problem(self, verb: str, key: str, error: OSError) -> StoreError:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        return StoreError(f"datastore {self.root}: cannot {verb} {key}: {reason}")


def _written(path: str, parts: Sequence[Data]) -> tuple[str, Version]:
    """The temporary file beside *path* with all parts in it, and its version."""
    folder = path.rpartition("/")[0]
    temporary = f"{folder}/{_TEMPORARY}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        file = os.open(temporary, flags, 0o666)
    except FileNotFoundError:
        _make_folder(folder)
        file = os.open(temporary, flags, 0o666)
    try:
        _write(file, parts)
        # Kernels stamp files by a clock that ticks every few ms, in which an inode can be freed and used again.
        now = time.time_ns()
        os.utime(file, ns=(now, now))
        version = _version(os.fstat(file))
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(file)
    return temporary, version


def _make_folder(folder: str) -> None:
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    except FileNotFoundError:
        _make_folder(folder.rpartition("/")[0])
        _make_folder(folder)


def _write(file: int, parts: Sequence[Data]) -> None:
    left = [view for part in parts if (view := memoryview(part).cast("B")).nbytes]
    first = 0
    while first < len(left):
        count = os.writev(file, left[first : first + _BUFFERS])
        while first < len(left) and count >= left[first].nbytes:
            count -= left[first].nbytes
            first += 1
        if count:
            left[first] = left[first][count:]


def _read(file: int, start: int, end: int | None) -> Data:
    status = os.fstat(file)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    end = status.st_size if end is None else min(end, status.st_size)
    if end - start < MAPPED_FROM:
        return os.pread(file, max(end - start, 0), start)
    from mmap import ACCESS_COPY, mmap  # a shared library to load, for large objects only

    # A private mapping can be written to: arrays made of it behave like any other.
    return memoryview(mmap(file, status.st_size, access=ACCESS_COPY))[start:end]


def _version_at(path: str) -> Version:
    status = os.stat(path)
    return ABSENT if stat.S_ISDIR(status.st_mode) else _version(status)


def _version(status: os.stat_result) -> Version:
    return Version(f"{status.st_mtime_ns:x}.{status.st_size:x}.{status.st_ino:x}")
