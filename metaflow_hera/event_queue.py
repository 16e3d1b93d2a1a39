"""Events on their way to the embedded engine: a folder, in which whoever publishes one leaves a file.

A file is there whole or not at all, and it stays until the engine has its event in the database. So a program that
publishes needs no database, and no engine that runs.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from metaflow_hera.errors import EventError

LIMIT: Final = 256 * 1024
"""Bytes that a payload may have: it travels as a parameter of the runs that it starts."""

WAKE: Final = "wake"
"""Beside the folder: the FIFO by which the engine learns that there is something to do."""

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class EventQueue:
    """The events that wait in one folder."""

    folder: Path

    def put(self, name: str, payload: Mapping[str, Any]) -> None:
        """Leave an event, and wake the engine if there is one; `EventError` if that cannot be."""
        try:
            text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
            size = len(text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise EventError(f"event {name!r}: its payload cannot be written as JSON: {error}") from error
        if size > LIMIT:
            raise EventError(f"event {name!r}: its payload has {size:,} bytes, and at most {LIMIT:,} can be passed")
        now = time.time()
        file = self.folder / f"{int(now * 1e6):020d}-{uuid.uuid4().hex}{_SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps({"name": name, "payload": text, "at": now}), encoding="ascii")
            partial.rename(file)
        except OSError as error:
            raise EventError(f"event {name!r} cannot be left in {self.folder}: {error.strerror}") from error
        wake(self.folder.parent / WAKE)

    def waiting(self) -> list[Path]:
        """The files of events, the oldest first."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))


def wake(fifo: Path) -> None:
    """Tell the engine, if there is one, that something is to do."""
    with suppress(OSError):
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, b"c")
        finally:
            os.close(descriptor)
