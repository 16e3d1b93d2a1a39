"""What watches a task: keeps its output, passes SIGTERM on, and writes down its death where it can no longer do so.

The task is a fork of the supervisor, so a pod starts Python once. The supervisor has one thread and no other child.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import StepError
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.logs import STDERR, STDOUT, LogWriter
from metaflow_hera.records.task import Failure, TaskRecord, TaskStatus
from metaflow_hera.records.values import type_name
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.runtime.channel import Channel, ChildEnd, SupervisorEnd
from metaflow_hera.runtime.execution import Outcome, claim_attempt, finish
from metaflow_hera.runtime.streams import Tee, print_to
from metaflow_hera.store import Store

GRACE_SECONDS = 20.0
"""From SIGTERM to SIGKILL for the child: shorter than what Kubernetes grants, so that the death can be recorded."""

_HEARD = (signal.SIGCHLD, signal.SIGTERM)
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
    now = time.time()
    failure = Failure(type=type_name(StepError), text=text, traceback=f"{text}\n")
    record = TaskRecord(
        step=command.step,
        path=command.path,
        attempt=attempt,
        status=TaskStatus.FAILED,
        started=started or now,
        finished=now,
        failure=failure,
    )
    return tasks.write(store, RunKeys(command.flow, command.run), record)


def supervise(command: TaskCommand, store: Store, work: Callable[[ChildEnd], Outcome]) -> Outcome:
    """Run *work* in a forked child, keep its output, and return how the attempt ended, if need be by its death.

    The child does not return from here: it exits as any Python process does, so threads are waited for and exit
    functions run. The attempt's record is written by then, and holds whatever becomes of the process.
    """
    channel, out, err = Channel(), os.pipe(), os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    pid = os.fork()
    if pid == 0:
        own_end = channel.of_child()
        _become_child(own_end, out, err)
        outcome = work(own_end)
        own_end.ended(outcome)
        sys.exit(0 if outcome.ok else 1)
    os.close(out[1])
    os.close(err[1])
    watch = _Watch(pid, command, store, channel.of_supervisor(), (Tee(out[0], 1, STDOUT), Tee(err[0], 2, STDERR)))
    status = watch.until_the_end()
    return watch.outcome_of(status)


def _become_child(channel: ChildEnd, out: tuple[int, int], err: tuple[int, int]) -> None:
    channel.bind_to_supervisor()
    os.close(out[0])
    os.close(err[0])
    print_to(out[1], err[1])
    faulthandler.enable(2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


class _Watch:
    """One child being watched."""

    def __init__(
        self, pid: int, command: TaskCommand, store: Store, channel: SupervisorEnd, tees: tuple[Tee, Tee]
    ) -> None:
        self._pid = pid
        self._command = command
        self._store = store
        self._channel = channel
        self._tees = tees
        self._started = time.time()
        self._terminated: float | None = None
        self._is_logged = False

    def until_the_end(self) -> int:
        """Keep up with the child until it ends; how it ended, as `os.waitpid` says."""
        poll = select.poll()
        sources = (self._channel.hear, *(tee.source for tee in self._tees))
        with _woken_by_signals(self._terminate) as wake:
            for descriptor in (wake, *sources):
                poll.register(descriptor, select.POLLIN)
            while True:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
                if pid:
                    break
                for descriptor in self._keep_up({ready for ready, _ in poll.poll(self._milliseconds())}):
                    poll.unregister(descriptor)
                with suppress(BlockingIOError):
                    os.read(wake, 1 << 10)
                self._kill_when_due()
        # Grandchildren may hold the pipes open for ever; a pod ends with its task.
        self._keep_up(set(sources))
        return status

    def outcome_of(self, status: int) -> Outcome:
        """What is known of the attempt now that its process is gone, written down if the process could not."""
        outcome = self._channel.outcome
        if outcome is None:
            outcome = self._death(death_text(status, terminated=self._terminated is not None))
        elif os.waitstatus_to_exitcode(status) < 0:
            self._tees[1].hand_on(f"{death_text(status)} (after the step was over)\n".encode())
        self._store_output()
        return replace(outcome, terminated=self._terminated is not None)

    def _death(self, text: str) -> Outcome:
        self._tees[1].hand_on(f"{text}\n".encode())
        attempt = self._channel.attempt
        if attempt is None:
            runs.begin(self._store, run_record(self._command))
            claimed = claim_attempt(self._command, self._store, self._started)
            if claimed.finished:
                return finish(self._command, self._store, claimed.finished)
            attempt = claimed.attempt
            self._open_logs(attempt)
        self._store_output()
        record = record_death(self._store, self._command, attempt, text, self._started)
        return finish(self._command, self._store, record)

    def _keep_up(self, ready: set[int]) -> list[int]:
        """Hand on what the child printed and do what it asked for; the descriptors that have come to their end."""
        ended = [tee.source for tee in self._tees if tee.source in ready and not tee.pump()]
        if self._channel.hear in ready:
            if not self._channel.listen():
                ended.append(self._channel.hear)
            self._open_logs(self._channel.attempt)
        if self._channel.is_waited_for:
            for tee in self._tees:
                tee.pump()
            self._store_output()
            self._channel.stored()
        for tee in self._tees:
            if tee.seconds_to_flush() == 0:
                tee.flush()
        return ended

    def _open_logs(self, attempt: int | None) -> None:
        if attempt is not None and not self._is_logged:
            keys = RunKeys(self._command.flow, self._command.run).attempt(
                self._command.step, self._command.path, attempt
            )
            for tee in self._tees:
                tee.store_with(LogWriter(self._store, keys, tee.stream))
            self._is_logged = True

    def _store_output(self) -> None:
        for tee in self._tees:
            tee.flush()

    def _milliseconds(self) -> int | None:
        """How long nothing has to be done unless something happens."""
        times = [tee.seconds_to_flush() for tee in self._tees]
        if self._terminated is not None:
            times.append(max(0.0, self._terminated + GRACE_SECONDS - time.monotonic()))
        due = min((seconds for seconds in times if seconds is not None), default=None)
        return None if due is None else int(due * 1000) + 1

    def _terminate(self) -> None:
        self._terminated = self._terminated or time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)

    def _kill_when_due(self) -> None:
        if self._terminated is not None and time.monotonic() > self._terminated + GRACE_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


@contextmanager
def _woken_by_signals(terminate: Callable[[], None]) -> Iterator[int]:
    """A descriptor to read from when a signal came: a child has ended, or SIGTERM, which calls *terminate*."""
    wake, awaken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(awaken, False)
    signal.set_wakeup_fd(awaken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: terminate())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    try:
        yield wake
    finally:
        # What is left is to write down how it ended, which takes less time than every sender of SIGTERM grants.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(wake)
        os.close(awaken)
