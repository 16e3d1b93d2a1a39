"""A task of a gang as its supervisor sees it: it is ended when another of them has failed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Final

from metaflow_hera.errors import StoreError
from metaflow_hera.records import gangs
from metaflow_hera.store import Store

SHORTEST: Final = 1.0
LONGEST: Final = 15.0
"""Seconds between two looks; a task that runs long waits 1/50 of its time so far."""


def broken_text(step: str, why: str) -> str:
    return f"step {step!r}: this task cannot go on without the others of its num_parallel, of which one failed: {why}"


class GangWatch:
    """Looks now and then whether the gang is broken, whose reason is then at *key*."""

    def __init__(self, store: Store, step: str, key: str, grace: float) -> None:
        self._store = store
        self._step = step
        self._key = key
        self._grace = grace
        self._begun = self._looked = time.monotonic()
        self._kill_at: float | None = None
        self.reason = ""
        """Why the task was told to end; empty as long as it was not."""

    @property
    def seconds_to_act(self) -> float:
        if self._kill_at is not None:
            return max(0.0, self._kill_at - time.monotonic())
        age = self._looked - self._begun
        return max(0.0, self._looked + min(LONGEST, max(SHORTEST, age / 50)) - time.monotonic())

    def act(self, pid: int) -> None:
        """End that process if the gang is broken: with SIGTERM, and with SIGKILL when the time for that is over."""
        if self.seconds_to_act:
            return
        now = self._looked = time.monotonic()
        if self._kill_at is not None:
            self._kill_at = now + self._grace
            self._send(pid, signal.SIGKILL)
        elif why := self._why():
            self.reason = broken_text(self._step, why)
            self._kill_at = now + self._grace
            self._send(pid, signal.SIGTERM)

    def break_up(self, reason: str) -> None:
        """The task died, so the others cannot go on."""
        if not self.reason:
            gangs.break_up(self._store, self._key, reason)

    def _why(self) -> str | None:
        with suppress(StoreError):  # it is looked at again
            return gangs.why_broken(self._store, self._key)
        return None

    def _send(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
