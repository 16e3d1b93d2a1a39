"""An attempt as the process sees it that has forked another for it: its output is kept, its word taken, and its death
written down where it can no longer do so itself."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import StepError
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs
from metaflow_hera.records.logs import LogWriter
from metaflow_hera.records.task import Failure, TaskRecord
from metaflow_hera.records.values import type_name
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.runtime.channel import SupervisorEnd
from metaflow_hera.runtime.execution import Outcome, claim_attempt, finish, write_failure
from metaflow_hera.runtime.streams import Output
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.runtime.gang_watching import GangWatch

GRACE_SECONDS = 20.0
"""From SIGTERM to SIGKILL for a task: shorter than what Kubernetes grants, so that the death can be recorded."""

_REASONS = {
    signal.SIGKILL: "it may have used more memory than there is",
    signal.SIGSEGV: "a segmentation fault, in compiled code",
    signal.SIGBUS: "a bus error, in compiled code, or a full disk under mapped memory",
    signal.SIGABRT: "it gave itself up, as compiled code does after a failed assertion",
    signal.SIGILL: "an illegal instruction: compiled code for another processor",
    signal.SIGTERM: "its run was terminated, its pod had run for its deadline, or its machine was taken away",
}


def death_text(status: int, *, terminated: bool = False) -> str:
    """In a sentence, how a process ended before its task did; *status* as `os.waitpid` gives it."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"the task's process ended with exit code {code} before the step was over"
    number = signal.Signals(-code)
    if terminated and number is signal.SIGKILL:
        return f"the task got SIGTERM and was killed, as it had not ended {GRACE_SECONDS:.0f} seconds later"
    reason = _REASONS.get(number, "")
    return f"the task's process was killed by {number.name}" + (f": {reason}" if reason else "")


def record_death(
    store: Store, command: TaskCommand, attempt: int, text: str, started: float | None = None
) -> TaskRecord:
    """Write down that an attempt failed by the death of its process, unless it left a record; return what holds."""
    failure = Failure(type=type_name(StepError), text=text, traceback=f"{text}\n")
    return write_failure(command, store, attempt, failure, started)


@dataclass(slots=True, eq=False, kw_only=True)
class Watched:
    """One attempt in a forked child."""

    command: TaskCommand
    store: Store
    channel: SupervisorEnd
    outputs: tuple[Output, Output]
    """Its stdout and its stderr."""
    started: float = field(default_factory=time.time)
    gang: GangWatch | None = field(default=None, init=False)
    """If the task is one of several that run together."""
    _is_logged: bool = field(default=False, init=False)

    @property
    def sources(self) -> tuple[int, ...]:
        """Descriptors from which something may come."""
        return (self.channel.hear, *(output.source for output in self.outputs))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that is open for it, each once."""
        return (*self.channel.descriptors, *(output.source for output in self.outputs))

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)

    def keep_up(self, source: int) -> bool:
        """Take in what came from one of the `sources`; False if nothing will come from it any more."""
        for output in self.outputs:
            if output.source == source:
                return output.pump()
        is_open = self.channel.listen()
        self._open_logs(self.channel.attempt)
        if self.channel.gang and self.gang is None:
            from metaflow_hera.runtime.gang_watching import GangWatch  # few tasks are of a gang

            self.gang = GangWatch(self.store, self.command.step, self.channel.gang, GRACE_SECONDS)
        if self.channel.is_waited_for:
            for output in self.outputs:
                output.pump()
            self.store_output()
            self.channel.stored()
        return is_open

    def store_output(self) -> None:
        for output in self.outputs:
            output.flush()

    @property
    def seconds_to_act(self) -> float | None:
        """Seconds until `act` has something to do unless something happens; None if it has not."""
        times = [output.seconds_to_flush for output in self.outputs]
        if self.gang:
            times.append(self.gang.seconds_to_act)
        return min((seconds for seconds in times if seconds is not None), default=None)

    def act(self, pid: int) -> None:
        """Do what is due: store output of the child, which is process *pid*, and end it if its gang is broken."""
        for output in self.outputs:
            if output.seconds_to_flush == 0:
                output.flush()
        if self.gang:
            self.gang.act(pid)

    def die(self, text: str) -> Outcome:
        """Write down the death of a child that has not told its end; *text* is how it died, if it has not said why."""
        text = self.channel.reason or (self.gang and self.gang.reason) or text
        if self.gang:
            self.gang.break_up(f"task {self.command.path}: {text}")
        self.outputs[1].take(f"{text}\n".encode())
        attempt = self.channel.attempt
        if attempt is None:
            runs.begin(self.store, run_record(self.command))
            claimed = claim_attempt(self.command, self.store, self.started)
            if claimed.finished:
                return finish(self.command, self.store, claimed.finished)
            attempt = claimed.attempt
            self._open_logs(attempt)
        self.store_output()
        record = record_death(self.store, self.command, attempt, text, self.started)
        return finish(self.command, self.store, record)

    def _open_logs(self, attempt: int | None) -> None:
        if attempt is None or self._is_logged:
            return
        keys = RunKeys(self.command.flow, self.command.run).attempt(self.command.step, self.command.path, attempt)
        for output in self.outputs:
            output.store_with(LogWriter(self.store, keys, output.stream))
        self._is_logged = True
