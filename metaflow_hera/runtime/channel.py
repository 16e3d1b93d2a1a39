"""What the child of a supervisor tells it: its attempt, that its output must be stored now, and how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass

from metaflow_hera.runtime.execution import Outcome


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """The child's end; a `watcher.Watcher`."""

    tell: int
    hear: int
    lifeline: int

    def bind_to_supervisor(self) -> None:
        """Die with the supervisor, whatever kills it: without it nobody would see what the task does.

        The kernel sends SIGKILL when the last writer of the lifeline is gone. That needs neither a thread, which would
        make every fork of the user's code a risk, nor ctypes, which every start would pay for.
        """
        if not hasattr(fcntl, "F_SETSIG"):  # elsewhere than on Linux, where no container is
            return
        fcntl.fcntl(self.lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self.lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(self.lifeline, fcntl.F_GETFL)
        fcntl.fcntl(self.lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
        os.set_blocking(self.lifeline, False)
        try:
            os.read(self.lifeline, 1)
        except BlockingIOError:
            return
        os._exit(1)  # it died before there was a signal to get

    def wait(self) -> bool:
        """Wait until the supervisor lets it go on; False if it never will."""
        return bool(os.read(self.hear, 1))

    def claimed(self, attempt: int) -> None:
        self._tell({"attempt": attempt})

    def joined(self, gang: str) -> None:
        self._tell({"gang": gang})

    def before_record(self) -> None:
        self._tell({"store": True})
        self.wait()

    def gave_up(self, reason: str) -> None:
        """It is about to end without a record of its own."""
        self._tell({"reason": reason})

    def ended(self, outcome: Outcome) -> None:
        self._tell({"outcome": asdict(outcome)})

    def _tell(self, message: object) -> None:
        os.write(self.tell, json.dumps(message).encode() + b"\n")


class SupervisorEnd:
    """The supervisor's end: what it heard so far."""

    def __init__(self, hear: int, tell: int, lifeline: int) -> None:
        os.set_blocking(hear, False)
        self.hear = hear
        self.attempt: int | None = None
        self.outcome: Outcome | None = None
        self.reason: str | None = None
        """Why the child gave up."""
        self.gang = ""
        """Where it would be said that the others of its gang have failed; empty for a task on its own."""
        self.is_waited_for = False
        """The child goes on when it hears that its output is stored."""
        self._tell = tell
        self._lifeline = lifeline
        self._unread = b""

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """All that is open for the child."""
        return self.hear, self._tell, self._lifeline

    def listen(self) -> bool:
        """Take in what was said; False when nothing can come any more."""
        is_open = self._read()
        *lines, self._unread = self._unread.split(b"\n")
        for message in map(json.loads, lines):
            self.attempt = message.get("attempt", self.attempt)
            self.reason = message.get("reason", self.reason)
            self.gang = message.get("gang", self.gang)
            self.is_waited_for = self.is_waited_for or "store" in message
            if "outcome" in message:
                self.outcome = Outcome(**message["outcome"])
        return is_open

    def stored(self) -> None:
        """All that the child printed is in the store."""
        self.is_waited_for = False
        self.go_on()

    def go_on(self) -> None:
        """Let a child that waits go on."""
        with suppress(BrokenPipeError):  # it died in the meantime, which its supervisor sees in another way
            os.write(self._tell, b".")

    def _read(self) -> bool:
        while True:
            try:
                data = os.read(self.hear, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._unread += data


class Channel:
    """Both ends, made before the fork; each process takes its own, which closes what is the other's."""

    def __init__(self) -> None:
        self._tell = os.pipe()
        self._answer = os.pipe()
        self._lifeline = os.pipe()

    def of_child(self) -> ChildEnd:
        for descriptor in (self._tell[0], self._answer[1], self._lifeline[1]):
            os.close(descriptor)
        return ChildEnd(tell=self._tell[1], hear=self._answer[0], lifeline=self._lifeline[0])

    def of_supervisor(self) -> SupervisorEnd:
        for descriptor in (self._tell[1], self._answer[0], self._lifeline[0]):
            os.close(descriptor)
        return SupervisorEnd(hear=self._tell[0], tell=self._answer[1], lifeline=self._lifeline[1])
