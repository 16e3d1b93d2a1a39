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
from functools import partial

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.records.logs import STDERR, STDOUT
from metaflow_hera.runtime.channel import Channel, ChildEnd
from metaflow_hera.runtime.execution import Outcome
from metaflow_hera.runtime.streams import Output, copy_to, print_to
from metaflow_hera.runtime.watching import GRACE_SECONDS, Watched, death_text
from metaflow_hera.store import Store

_HEARD = (signal.SIGCHLD, signal.SIGTERM)


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
        try:
            outcome = work(own_end)
        except MetaflowHeraError as error:
            own_end.gave_up(error.message)
            sys.exit(1)
        own_end.ended(outcome)
        sys.exit(0 if outcome.ok else 1)
    os.close(out[1])
    os.close(err[1])
    outputs = (Output(out[0], STDOUT, partial(copy_to, 1)), Output(err[0], STDERR, partial(copy_to, 2)))
    watched = Watched(command=command, store=store, channel=channel.of_supervisor(), outputs=outputs)
    watch = _Watch(pid, watched)
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

    def __init__(self, pid: int, watched: Watched) -> None:
        self._pid = pid
        self._watched = watched
        self._terminated: float | None = None

    def until_the_end(self) -> int:
        """Keep up with the child until it ends; how it ended, as `os.waitpid` says."""
        poll = select.poll()
        sources = self._watched.sources
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
        outcome = self._watched.channel.outcome
        if outcome is None:
            outcome = self._watched.die(death_text(status, terminated=self._terminated is not None))
        elif os.waitstatus_to_exitcode(status) < 0:
            self._watched.outputs[1].take(f"{death_text(status)} (after the step was over)\n".encode())
        self._watched.store_output()
        return replace(outcome, terminated=self._terminated is not None)

    def _keep_up(self, ready: set[int]) -> list[int]:
        """Take in what the child printed and said; the descriptors that have come to their end."""
        ended = [source for source in self._watched.sources if source in ready and not self._watched.keep_up(source)]
        self._watched.store_due_output()
        return ended

    def _milliseconds(self) -> int | None:
        """How long nothing has to be done unless something happens."""
        times = [output.seconds_to_flush for output in self._watched.outputs]
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
