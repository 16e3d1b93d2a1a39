"""What a forked worker prints: shown line by line while it runs, and kept in the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from metaflow_hera.records.logs import LogWriter

READ: Final = 1 << 16
SEGMENT_SECONDS: Final = 2.0
"""The least time between two pieces in the store; one that prints for long waits 1/50 of its time so far."""


class Output:
    """One stream of a worker, read from a pipe; until its attempt has a number, it is only kept."""

    def __init__(self, source: int, stream: str, show: Callable[[str, str], None]) -> None:
        os.set_blocking(source, False)
        self.source = source
        self.stream = stream
        self._show = show
        self._line = b""
        self._kept: list[bytes] = []
        self._writer: LogWriter | None = None
        self._begun = self._flushed = time.monotonic()

    def store_with(self, writer: LogWriter) -> None:
        """From now on, and of what came before, everything goes to *writer*."""
        self._writer = writer
        for data in self._kept:
            writer.write(data)
        self._kept.clear()

    def pump(self) -> bool:
        """Take in what is in the pipe now; False at its end."""
        while True:
            try:
                data = os.read(self.source, READ)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.take(data)
            if len(data) < READ:
                return True

    def take(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._show(self.stream, line.decode(errors="replace"))
        if self._writer is None:
            self._kept.append(data)
        else:
            self._writer.write(data)

    @property
    def seconds_to_flush(self) -> float | None:
        """Seconds until something should be stored; None if there is nothing."""
        if self._writer is None or not self._writer.pending:
            return None
        age = self._flushed - self._begun
        return max(0.0, self._flushed + max(SEGMENT_SECONDS, age / 50) - time.monotonic())

    def flush(self) -> None:
        if self._writer is not None:
            self._flushed = time.monotonic()
            self._writer.flush()

    def finish(self) -> None:
        """Show what has no newline at its end, and store the rest."""
        if self._line:
            self._show(self.stream, self._line.decode(errors="replace"))
        self.flush()
