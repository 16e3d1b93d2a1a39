"""Where an engine lives: one folder below the data directory, one engine for each."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.errors import EngineError
from metaflow_hera.event_queue import WAKE, EventQueue, wake

_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Home:
    """The files by which an engine and its clients know each other."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / "engine"

    @property
    def database(self) -> Path:
        return self.folder / "state.sqlite3"

    @property
    def pods(self) -> Path:
        return self.folder / "pods"

    @property
    def log(self) -> Path:
        return self.folder / "engine.log"

    @property
    def wake_fifo(self) -> Path:
        return self.folder / WAKE

    @property
    def events(self) -> EventQueue:
        """What was published and the engine has not seen yet."""
        return EventQueue(self.folder / "events")

    @property
    def lock(self) -> Path:
        """Held by the engine while it lives, and by nothing else for more than a moment; holds its process number."""
        return self.folder / "lock"

    def make(self) -> None:
        """Make what is missing of the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            ignored = self.data_dir / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n")
            with suppress(FileExistsError):
                os.mkfifo(self.wake_fifo, 0o600)
        except OSError as error:
            raise self._problem(error) from error

    def _open(self, file: Path) -> int:
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._problem(error) from error

    def _problem(self, error: OSError) -> EngineError:
        return EngineError(
            f"the data directory {self.data_dir} cannot be used: {error.strerror}; choose another with MFHERA_DATA_DIR"
        )

    def wake(self) -> None:
        """Tell the engine, if there is one, that something is to do."""
        wake(self.wake_fifo)

    def reserve_start(self) -> int | None:
        """An open file for the engine that is to be started, to close when it runs; None if another is starting."""
        lock = self._open(self.folder / "starting")
        for _ in range(2):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                time.sleep(0.005)  # whoever only looks holds it for a moment
        os.close(lock)
        return None

    @property
    def is_starting(self) -> bool:
        """Whether an engine was started that does not run yet."""
        if not self.folder.exists():
            return False
        lock = self.reserve_start()
        if lock is not None:
            os.close(lock)
        return lock is None

    def take(self) -> int | None:
        """The lock, as an open file, if no other engine has it; whoever only looks holds it for a moment."""
        lock = self._open(self.lock)
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.engine_pid() is not None or time.monotonic() > until:
                    os.close(lock)
                    return None
                time.sleep(0.01)
                continue
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock

    def engine_pid(self) -> int | None:
        """The engine's process, None if none runs."""
        try:
            lock = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.read(lock, 32) or 0) or None
        finally:
            os.close(lock)
        return None
