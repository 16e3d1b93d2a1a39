"""The output of a task: shown to whoever looks on at once, and kept in the store piece by piece."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from metaflow_hera.errors import StoreError
from metaflow_hera.records.logs import LogWriter

_READ = 1 << 16
_PIPE = 1 << 20
SEGMENT_BYTES = 1 << 20
SEGMENT_SECONDS = 1.5
"""The least time between two segments; a task that runs long waits 1/50 of its time so far, so they stay hundreds."""


class Output:
    """One stream of a child, read from a pipe: shown at once, and stored from when the attempt has its number on."""

    def __init__(self, source: int, stream: str, show: Callable[[bytes], None]) -> None:
        os.set_blocking(source, False)
        self.source = source
        self.stream = stream
        self._show = show
        self._begun = self._flushed = time.monotonic()
        self._kept: list[bytes] = []
        self._writer: LogWriter | None = None

    def store_with(self, writer: LogWriter) -> None:
        """From now on, and of what came before, everything goes to *writer*, too."""
        self._writer = writer
        for data in self._kept:
            writer.write(data)
        self._kept.clear()

    def pump(self) -> bool:
        """Take in what is in the pipe now, which is never more than a pipe holds; False at its end."""
        for _ in range(_PIPE // _READ):
            try:
                data = os.read(self.source, _READ)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.take(data)
            if len(data) < _READ:
                return True
        return True

    @property
    def seconds_to_flush(self) -> float | None:
        """Seconds until something should be stored; None if there is nothing."""
        if self._writer is None or not self._writer.pending:
            return None
        age = self._flushed - self._begun
        return max(0.0, self._flushed + max(SEGMENT_SECONDS, age / 50) - time.monotonic())

    def flush(self) -> None:
        """Store what came since the last time. What the store refuses stays for the next time, and is told."""
        if self._writer is None:
            return
        self._flushed = time.monotonic()
        try:
            self._writer.flush()
        except StoreError as error:
            sys.stderr.write(f"metaflow_hera: some of what was printed is not stored yet: {error}\n")

    def take(self, data: bytes) -> None:
        """Show *data*, and keep it for the store."""
        self._show(data)
        if self._writer is None:
            self._kept.append(data)
            return
        self._writer.write(data)
        if self._writer.pending >= SEGMENT_BYTES:
            self.flush()


def copy_to(descriptor: int, data: bytes) -> None:
    """Write *data* there, unless whoever reads it is gone: the store still wants it."""
    with suppress(OSError):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


class _Immediate(io.BufferedWriter):
    """Keeps nothing back: what a process printed is out even if it is killed in the next moment."""

    def write(self, data: object, /) -> int:
        count = super().write(data)  # type: ignore[arg-type]
        self.flush()
        return count


def print_to(stdout: int, stderr: int) -> None:
    """Make these descriptors the output of this process and of what it starts, without any buffer."""
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.stdout = sys.__stdout__ = _text(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2)  # type: ignore[misc]


@contextmanager
def unseen_output() -> Iterator[None]:
    """What this process prints meanwhile is lost; what keeps one of its streams prints at once later on."""
    before = os.dup(1), os.dup(2)
    print_to(os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))
    try:
        yield
    finally:
        for descriptor, standard in zip(before, (1, 2), strict=True):
            os.dup2(descriptor, standard)
            os.close(descriptor)


def flush_output() -> None:
    """Let go of what this process has printed; the user's code may have closed either stream."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, OSError, AttributeError):
            stream.flush()


def _text(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(_Immediate(raw), encoding="utf-8", errors="backslashreplace", write_through=True)
