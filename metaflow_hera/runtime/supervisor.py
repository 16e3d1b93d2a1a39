"""What watches tasks: keeps their output, passes SIGTERM on, and writes down a death where a task can no longer do so.

A task is a fork of the supervisor, so a pod starts Python once. The supervisor has one child at a time, and no thread
of its own.
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
from typing import NoReturn

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.records.logs import STDERR, STDOUT
from metaflow_hera.runtime.channel import Channel, ChildEnd
from metaflow_hera.runtime.execution import Outcome, outputs_of
from metaflow_hera.runtime.interruption import TERMINATED
from metaflow_hera.runtime.streams import Output, copy_to, print_to
from metaflow_hera.runtime.watching import GRACE_SECONDS, Watched, death_text
from metaflow_hera.store import Store

_HEARD = (signal.SIGCHLD, signal.SIGTERM)

Work = Callable[[TaskCommand, ChildEnd], Outcome]
"""How a child runs a task."""


class Signals:
    """What the supervisor hears: that a child has ended, and SIGTERM, which goes on to the child that there is."""

    def __init__(self) -> None:
        self.wake, self._awaken = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._awaken, False)
        self.terminated: float | None = None
        """When SIGTERM came, by the monotonic clock."""
        self._child: int | None = None

    def listen(self) -> None:
        """Hear them from now on, whatever was imported in the meantime has done to them."""
        signal.set_wakeup_fd(self._awaken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._terminate())

    def forget(self) -> None:
        """Hear nothing more.

        What is left is to write down how it ended, which takes less time than every sender of SIGTERM grants.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(self.wake)
        os.close(self._awaken)

    def pass_to(self, child: int | None) -> None:
        """SIGTERM is for this child from now on, and if it came before, too."""
        self._child = child
        if self.terminated is not None:
            self._pass_on()

    def _terminate(self) -> None:
        self.terminated = self.terminated or time.monotonic()
        self._pass_on()

    def _pass_on(self) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGTERM)


@contextmanager
def hearing() -> Iterator[Signals]:
    """The signals of this process, while it supervises."""
    supervisor = os.getpid()
    signals = Signals()
    signals.listen()
    try:
        yield signals
    finally:
        if os.getpid() == supervisor:  # a child that exits comes by here, too
            signals.forget()


def supervise(command: TaskCommand, store: Store, work: Work) -> Outcome:
    """Run one task in a child, as `watch` does."""
    with hearing() as signals:
        return watch(command, store, work, signals)


def supervise_iterations(command: TaskCommand, store: Store, begin: Work, load: Callable[[], Work | None]) -> Outcome:
    """Run the iterations that are left, each in a child of its own; return how the last one ended.

    The first child loads the flow, as *begin* does: what may go wrong there goes wrong in an attempt. If another one
    follows, *load* does so once in this process, whose later children find it loaded; if it cannot, each does for
    itself again.
    """
    from metaflow_hera.runtime.iterations import first_iteration, next_iteration  # few steps repeat
    from metaflow_hera.runtime.leaving import leave  # the same

    with hearing() as signals:
        iteration = first_iteration(command, store)
        outcome = watch(iteration, store, begin, signals)
        following = next_iteration(iteration, outcome)
        work = (load() if following else None) or begin
        while following is not None:
            if signals.terminated is not None:
                return replace(outcome, ok=False, outputs=outputs_of(), message=TERMINATED, terminated=True)
            iteration = following
            outcome = watch(iteration, store, work, signals, leave)
            following = next_iteration(iteration, outcome)
        return outcome


def watch(
    command: TaskCommand,
    store: Store,
    work: Work,
    signals: Signals,
    leave: Callable[[int], NoReturn] = sys.exit,
) -> Outcome:
    """Run *work* in a forked child, keep its output, and return how the attempt ended, if need be by its death.

    The child does not return from here: it exits as any Python process does, so threads are waited for and exit
    functions run. The attempt's record is written by then, and holds whatever becomes of the process.
    """
    channel, out, err = Channel(), os.pipe(), os.pipe()
    signals.listen()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    pid = os.fork()
    if pid == 0:
        own_end = channel.of_child()
        _become_child(own_end, out, err)
        try:
            outcome = work(command, own_end)
        except MetaflowHeraError as error:
            own_end.gave_up(error.message)
            leave(1)
        own_end.ended(outcome)
        leave(0 if outcome.ok else 1)
    signals.pass_to(pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    os.close(out[1])
    os.close(err[1])
    outputs = (Output(out[0], STDOUT, partial(copy_to, 1)), Output(err[0], STDERR, partial(copy_to, 2)))
    watched = Watched(command=command, store=store, channel=channel.of_supervisor(), outputs=outputs)
    try:
        return _Watch(pid, watched, signals).outcome()
    finally:
        watched.close()


def _become_child(channel: ChildEnd, out: tuple[int, int], err: tuple[int, int]) -> None:
    channel.bind_to_supervisor()
    os.close(out[0])
    os.close(err[0])
    print_to(out[1], err[1])
    faulthandler.enable(2)
    signal.set_wakeup_fd(-1)
    for number in _HEARD:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


class _Watch:
    """One child being watched."""

    def __init__(self, pid: int, watched: Watched, signals: Signals) -> None:
        self._pid = pid
        self._watched = watched
        self._signals = signals

    def outcome(self) -> Outcome:
        """What is known of the attempt when its process is gone, written down if the process could not."""
        status = self._until_the_end()
        is_terminated = self._signals.terminated is not None
        outcome = self._watched.channel.outcome
        if outcome is None:
            outcome = self._watched.die(death_text(status, terminated=is_terminated))
        elif os.waitstatus_to_exitcode(status) < 0:
            self._watched.outputs[1].take(f"{death_text(status)} (after the step was over)\n".encode())
        self._watched.store_output()
        return replace(outcome, terminated=is_terminated)

    def _until_the_end(self) -> int:
        """Keep up with the child until it ends; how it ended, as `os.waitpid` says."""
        poll = select.poll()
        sources = self._watched.sources
        for descriptor in (self._signals.wake, *sources):
            poll.register(descriptor, select.POLLIN)
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                break
            for descriptor in self._keep_up({ready for ready, _ in poll.poll(self._milliseconds())}):
                poll.unregister(descriptor)
            with suppress(BlockingIOError):
                os.read(self._signals.wake, 1 << 10)
            self._kill_when_due()
            self._watched.act(self._pid)
        self._signals.pass_to(None)
        # Grandchildren may hold the pipes open for ever; a pod ends with its task.
        self._keep_up(set(sources))
        return status

    def _keep_up(self, ready: set[int]) -> list[int]:
        """Take in what the child printed and said; the descriptors that have come to their end."""
        return [source for source in self._watched.sources if source in ready and not self._watched.keep_up(source)]

    def _milliseconds(self) -> int | None:
        """How long nothing has to be done unless something happens."""
        times = [self._watched.seconds_to_act]
        if self._signals.terminated is not None:
            times.append(max(0.0, self._signals.terminated + GRACE_SECONDS - time.monotonic()))
        due = min((seconds for seconds in times if seconds is not None), default=None)
        return None if due is None else int(due * 1000) + 1

    def _kill_when_due(self) -> None:
        if self._signals.terminated is not None and time.monotonic() > self._signals.terminated + GRACE_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
