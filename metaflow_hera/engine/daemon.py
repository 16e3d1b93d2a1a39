"""The engine: a process in the background that runs what is triggered, be it by events or schedules, and survives the
shell.

It sleeps until a client or a pod wakes it by the FIFO of its home, or something is due. After some minutes without runs
and schedules it ends; whoever triggers or publishes next starts it again.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from metaflow_hera.engine.home import Home
from metaflow_hera.engine.live import LiveRun, Place
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pods import GRACE, PODS_AT_ONCE, Machine
from metaflow_hera.engine.sensors import Sensors
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.timetable import Timetable
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.plan.records import Plan

IDLE: Final = 600.0
"""Seconds without runs and schedules after which the engine ends."""

LOOK: Final = 1.0
"""Seconds after which it looks at running pods even if nothing woke it: a supervisor that was killed tells nobody."""

LONGEST_SLEEP: Final = 60.0
"""Seconds: the clock may be set, or the machine may have slept."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What of the engine's behaviour is a number."""

    pods: int = PODS_AT_ONCE
    grace: float = GRACE
    idle: float = IDLE


class Engine:
    """The loop over all runs; *read_plan* reads the manifest that a deployment was stored with."""

    def __init__(
        self, home: Home, state: TriggeringState, read_plan: Callable[[str], Plan], limits: Limits | None = None
    ) -> None:
        self.state = state
        self._limits = limits or Limits()
        self._read_plan = read_plan
        self._timetable = Timetable(state, read_plan)
        self._sensors = Sensors(state, home.events, read_plan)
        self._place = Place(
            state=state,
            folder=home.pods,
            machine=Machine(wake=home.wake_fifo, events=home.events.folder, grace=self._limits.grace),
        )
        self._runs: dict[int, LiveRun] = {}

    def turn(self, now: float) -> float | None:
        """Do all that can be done at this moment; return when there will be something to do without being woken."""
        due = self._timetable.fire(now)
        self._take_up_new(now)
        self._heed_controls(now)
        for run in self._runs.values():
            run.collect(now)
        self._sensors.fire(now)
        self._take_up_new(now)
        self._start_pods(now)
        for number in [number for number, run in self._runs.items() if run.is_over]:
            run = self._runs.pop(number)
            logger.info("run %s has ended", run.stored.workflow)
        dues = [due, *(run.next_due for run in self._runs.values())]
        if any(run.running for run in self._runs.values()):
            dues.append(now + LOOK)
        return min((each for each in dues if each is not None), default=None)

    @property
    def is_idle(self) -> bool:
        return not self._runs and self._timetable.is_empty

    def _take_up_new(self, now: float) -> None:
        for stored in self.state.unfinished(self._runs.keys()):
            try:
                run = LiveRun.take_up(stored, self._read_plan(stored.manifest), self._place, now)
            except MetaflowHeraError as error:
                self._give_up(stored, error, now)
            else:
                self._runs[stored.number] = run
                logger.info("run %s is taken up", stored.workflow)

    def _heed_controls(self, now: float) -> None:
        """End, hold up and let go the runs that somebody wants so."""
        controls = self.state.controls()
        for number, run in self._runs.items():
            asked = controls.get(number)
            run.is_suspended = asked is not None and asked.is_suspended
            if asked is not None and asked.shutdown is not None:
                run.shut_down(asked.shutdown, now)

    def _give_up(self, stored: StoredRun, error: MetaflowHeraError, now: float) -> None:
        logger.error("run %s cannot go on: %s", stored.workflow, error)
        self.state.end_run(stored.number, Phase.ERROR, error.message, now)

    def _start_pods(self, now: float) -> None:
        """Start as many pods as the machine may have: first those of the runs with the highest priority."""
        taken = sum(len(run.slots) for run in self._runs.values())
        waiting = [run for run in self._runs.values() if run.can_start]
        for priority in sorted({run.priority for run in waiting}, reverse=True):
            taken = self._start_in_turn([run for run in waiting if run.priority == priority], taken, now)

    def _start_in_turn(self, waiting: list[LiveRun], taken: int, now: float) -> int:
        """Let these runs start pods in turn; a gang counts as one, and starts whole. How many are taken then."""
        while waiting:
            for run in tuple(waiting):
                before = len(run.slots)
                if not run.start_next(now, has_room=taken < self._limits.pods) or not run.can_start:
                    waiting.remove(run)
                taken += len(run.slots) - before
        return taken


def serve(
    home: Home, read_plan: Callable[[str], Plan], limits: Limits, on_start: Callable[[], None] = lambda: None
) -> None:
    """Be the engine of *home* until there is nothing to do, or SIGTERM; not at all if there is one already.

    *on_start* is called once, when it is clear which of the two.
    """
    home.make()
    alarm, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.append(number))
    signal.signal(signal.SIGCHLD, lambda number, _: None)
    state = TriggeringState.open(home.database)
    gc.freeze()
    lock = home.take()
    on_start()
    while lock is not None:
        logger.info("the engine runs as process %d", os.getpid())
        seen = _loop(home, Engine(home, state, read_plan, limits), limits, (alarm, stop))
        os.close(lock)
        # Whoever deployed, triggered or published before the lock was free has not started another engine.
        lock = None if stop or (state.seen == seen and not home.events.waiting()) else home.take()
    state.close()
    logger.info("the engine has ended")


def _loop(home: Home, engine: Engine, limits: Limits, signals: tuple[int, list[int]]) -> int:
    """Return which state of the database the last turn has seen."""
    alarm, stop = signals
    seen = engine.state.seen
    fifo = os.open(home.wake_fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    idle_until = time.monotonic() + limits.idle
    while not stop and home.lock.exists():  # who removes the data directory wants no engine for it
        seen = engine.state.seen
        due = engine.turn(time.time())
        _reap()
        if not engine.is_idle:
            idle_until = time.monotonic() + limits.idle
        elif time.monotonic() >= idle_until:
            break
        sleep = LONGEST_SLEEP if due is None else max(due - time.time(), 0.0)
        if engine.is_idle:
            sleep = min(sleep, max(idle_until - time.monotonic(), 0.0))
        for readable in select.select([fifo, alarm], [], [], min(sleep, LONGEST_SLEEP))[0]:
            os.read(readable, 65_536)
    os.close(fifo)
    return seen


def _reap() -> None:
    """Let ended supervisors go; how their pods ended is in the pods' folders."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
