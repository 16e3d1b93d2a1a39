"""Work in several processes: forks of this one, which have all that it has and hand back what they return."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from select import POLLIN, poll
from typing import Any, NoReturn, TypeVar

from metaflow_hera.errors import ArtifactError, MetaflowHeraError
from metaflow_hera.records.values import dump, load
from metaflow_hera.store import Data

T = TypeVar("T")
R = TypeVar("R")


class MulticoreException(MetaflowHeraError):  # noqa: N818  (the peer's name, which flows know)
    """The work on an item went wrong in its process."""


def parallel_map(
    func: Callable[[T], R], iterable: Iterable[T], max_parallel: int | None = None, dir: str | None = None
) -> list[R]:
    """``[func(item) for item in iterable]`` in up to *max_parallel* processes at once, as many as there are cores.

    `MulticoreException` with the item for the first that goes wrong; the work on others is ended then.
    """
    found: dict[int, R] = dict(_numbered(func, iterable, max_parallel))
    return [found[number] for number in sorted(found)]


def parallel_imap_unordered(
    func: Callable[[T], R], iterable: Iterable[T], max_parallel: int | None = None, dir: str | None = None
) -> Iterator[R]:
    """The same, each result as soon as it is there."""
    return (result for _, result in _numbered(func, iterable, max_parallel))


@dataclass
class _Child:
    """A process at an item, and what has come of its result."""

    number: int
    pid: int
    source: int
    received: bytearray

    def pump(self) -> bool:
        """Take what is there; whether that was all."""
        data = os.read(self.source, 1 << 20)
        self.received += data
        return not data

    def end(self) -> int:
        """Wait for its end; the exit code, below 0 the signal that ended it."""
        os.close(self.source)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _numbered(func: Callable[[T], R], iterable: Iterable[T], most: int | None) -> Iterator[tuple[int, R]]:
    width = most or os.cpu_count() or 1
    items = enumerate(iterable)
    children: dict[int, _Child] = {}
    sources = poll()
    try:
        while True:
            while len(children) < width and (following := next(items, None)) is not None:
                child = _forked(func, *following, [other.source for other in children.values()])
                children[child.source] = child
                sources.register(child.source, POLLIN)
            if not children:
                return
            for source, _ in sources.poll():
                if children[source].pump():
                    child = children.pop(source)
                    sources.unregister(source)
                    yield child.number, _result(child)
    finally:
        for child in children.values():
            os.kill(child.pid, 9)
            child.end()


def _forked(func: Callable[[Any], Any], number: int, item: object, others: Iterable[int]) -> _Child:
    source, target = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        for descriptor in (source, *others):
            os.close(descriptor)
        _work(func, number, item, target)
    os.close(target)
    return _Child(number, pid, source, bytearray())


def _work(func: Callable[[Any], Any], number: int, item: object, target: int) -> NoReturn:
    """In the child: hand back the result, or why there is none."""
    code = 1
    try:
        parts, code = _outcome(func, number, item)
        with os.fdopen(target, "wb") as file:
            file.writelines(parts)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)


FAILED = 3
"""The exit code of a child whose result is the text of an error."""


def _outcome(func: Callable[[Any], Any], number: int, item: object) -> tuple[Iterable[Data], int]:
    try:
        return dump(func(item), f"result {number}").parts, 0
    except ArtifactError as error:
        told = str(error)
    except BaseException:  # noqa: BLE001  (the user's code may raise anything; the parent tells it)
        import traceback  # only for errors

        told = traceback.format_exc()
    return (told.encode("utf-8", "replace"),), FAILED


def _result(child: _Child) -> Any:
    code = child.end()
    if code == 0:
        return load(child.received, f"result {child.number}")
    if code == FAILED:
        raise MulticoreException(f"item {child.number} failed:\n{child.received.decode()}")
    died = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    raise MulticoreException(f"item {child.number}: its process {died} without a result")
