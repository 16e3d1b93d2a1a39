"""`mfhera run`: a Plan in this process, its tasks in forked children, as many at once as there are workers."""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.alarm import Alarm, alarm
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.engine.waiting import Waiting
from metaflow_hera.engine.workers_forked import Job, Worker, fork_worker, outputs_of_pod, pod_outcome
from metaflow_hera.plan.records import Container, Plan, Template
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.runtime.execution import Outcome
from metaflow_hera.runtime.warming import warm
from metaflow_hera.runtime.watching import GRACE_SECONDS

LOOK: Final = 0.5
"""Seconds between two looks whether a child has died in a way that its pipes do not tell."""

LOOK_SOON: Final = 0.005
"""Seconds until the process of a child that has closed its pipes is gone."""

INTERRUPTED: Final = "interrupted"
NOT_STARTED: Final = "the run ended before this task started"


class Listener(Protocol):
    """Whoever shows the progress of a local run; called between two system calls, so it should be quick."""

    def started(self, pod: Pod, command: TaskCommand) -> None: ...

    def printed(self, command: TaskCommand, stream: str, line: str) -> None:
        """A line without its newline; *stream* is ``stdout`` or ``stderr``."""
        ...

    def ended(self, command: TaskCommand, outcome: PodOutcome, *, again: bool) -> None:
        """An attempt ended; *again* if it failed and another one follows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEnd:
    """How a local run ended; *signal* is the one that ended it, 0 for none."""

    phase: Phase
    message: str
    signal: int = 0


def run_plan(plan: Plan, job: Job, *, run: str, workers: int, listener: Listener) -> LocalEnd:
    """Run a plan that was compiled for the run of this id, to its end; how it ended is in the store, too.

    A retry comes at once, whatever its backoff. SIGINT, SIGTERM and SIGHUP end the run, a second one without grace.
    """
    warm(job.graph)
    gc.collect()
    gc.freeze()  # or a collection in a child copies every page of the parent
    try:
        with alarm() as heard:
            return _LocalRun(local_plan(plan), job, run, workers, listener).until_the_end(heard)
    finally:
        gc.unfreeze()


def local_plan(plan: Plan) -> Plan:
    """*plan* without what only a cluster needs: waiting before a retry, and a container at its exit."""
    return replace(plan, templates=tuple(map(_without_backoff, plan.templates)), on_exit="")


def _without_backoff(template: Template) -> Template:
    if isinstance(template, Container) and template.retry:
        return replace(template, retry=replace(template.retry, backoff=0))
    return template


class _LocalRun:
    """The loop of one run."""

    def __init__(self, plan: Plan, job: Job, run: str, workers: int, listener: Listener) -> None:
        self._job = job
        self._run = run
        self._limit = workers
        self._listener = listener
        self._scheduler = Scheduler(plan, run, started=time.time())
        self._waiting = Waiting()
        self._workers: dict[int, Worker] = {}
        self._by_source: dict[int, Worker] = {}
        self._standby: dict[str, Worker] = {}
        """For each pod that is at iterations, a child for the one after: what forking takes, it takes meanwhile."""
        self._leaving: set[int] = set()
        self._poll = select.poll()
        self._kill_at: float | None = None
        self._look_at = 0.0
        self._signal = 0

    def until_the_end(self, alarm: Alarm) -> LocalEnd:
        if alarm.source >= 0:
            self._poll.register(alarm.source, select.POLLIN)
        self._take_in(self._scheduler.begin())
        try:
            while not self._scheduler.phase.is_final:
                self._start_workers()
                self._wait(alarm.source)
                self._obey(alarm)
                self._see_to_time()
        finally:
            self._let_go()
        return self._ended()

    def _let_go(self) -> None:
        """Leave no process and no descriptor behind; tasks still run only if the loop was left by an error."""
        for worker in (*self._workers.values(), *self._standby.values()):
            worker.terminate(signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            worker.watched.close()
        for pid in self._leaving:
            os.waitpid(pid, 0)

    def _ended(self) -> LocalEnd:
        phase, message = self._scheduler.phase, self._scheduler.message
        if phase is not Phase.SUCCEEDED:
            record = EndRecord(status=phase, finished=time.time(), message=message)
            runs.end(self._job.store, self._job.graph.flow, self._run, record)
        return LocalEnd(phase=phase, message=message, signal=self._signal)

    def _take_in(self, pods: list[Pod]) -> None:
        """Let pods wait for their turn, but for those whose task is done: they end at once."""
        waiting = deque(pods)
        while waiting:
            pod = waiting.popleft()
            outputs = self._job.done.get(pod.task) if self._job.done else None
            if outputs is None:
                self._waiting.extend((pod,))
            else:
                outcome = PodOutcome(phase=Phase.SUCCEEDED, outputs=outputs_of_pod(pod, outputs))
                waiting.extend(self._scheduler.ended(pod.name, outcome, time.time()))

    def _start_workers(self) -> None:
        while self._waiting and not self._scheduler.is_stopping:
            running = {worker.pod.slot for worker in self._workers.values()}
            pod = self._waiting.take(running, has_room=len(running) < self._limit)
            if pod is None:
                break
            command = TaskCommand.parse(pod.args)
            self._start_worker(pod, self._first(command) if command.repeats else command)

    def _start_worker(self, pod: Pod, command: TaskCommand) -> None:
        self._listener.started(pod, command)
        worker = self._standby.pop(pod.name, None) or self._fork(pod, command)
        self._workers[worker.pid] = worker
        for source in worker.watched.sources:
            self._by_source[source] = worker
            self._poll.register(source, select.POLLIN)

    def _fork(self, pod: Pod, command: TaskCommand, *, waits: bool = False) -> Worker:
        others = (*self._workers.values(), *self._standby.values())
        return fork_worker(self._job, pod, command, others, partial(self._listener.printed, command), waits=waits)

    def _wait(self, alarm: int) -> None:
        for source, _ in self._poll.poll(self._seconds() * 1000):
            worker = self._by_source.get(source)
            if source == alarm:
                os.read(source, 512)
            elif worker is not None and not worker.watched.keep_up(source):
                self._forget(source)
                worker.is_silent = worker.is_silent or source == worker.watched.channel.hear
            if worker is not None and worker.watched.channel.outcome is not None and worker.pid in self._workers:
                self._leaving.add(worker.pid)
                self._end(worker, None)

    def _seconds(self) -> float:
        if self._scheduler.phase.is_final:  # nothing that was left to do had to be run
            return 0.0
        times = [worker.watched.seconds_to_act for worker in self._workers.values()]
        if any(worker.is_silent for worker in self._workers.values()):
            times.append(LOOK_SOON)
        if (due := self._scheduler.next_due) is not None:
            times.append(due - time.time())
        return max(0.0, min([LOOK, *(seconds for seconds in times if seconds is not None)]))

    def _end(self, worker: Worker, status: int | None) -> None:
        for source in worker.watched.sources:
            self._forget(source)
        del self._workers[worker.pid]
        pod, command, told = worker.pod, worker.watched.command, worker.outcome(status)
        following = self._next(pod, command, told) if command.repeats else None
        worker.end()
        outcome = pod_outcome(pod, told)
        again = outcome.phase.is_bad and pod.may_retry and not self._scheduler.is_stopping
        self._listener.ended(command, outcome, again=again)
        if following:
            self._repeat(pod, following)
        else:
            self._take_in(self._scheduler.ended(pod.name, outcome, time.time()))

    def _first(self, command: TaskCommand) -> TaskCommand:
        from metaflow_hera.runtime.iterations import first_iteration  # few steps repeat

        return first_iteration(command, self._job.store)

    def _next(self, pod: Pod, command: TaskCommand, outcome: Outcome) -> TaskCommand | None:
        """The iteration that follows in the same pod, which begins at once if a child waits for it."""
        from metaflow_hera.runtime.iterations import next_iteration  # few steps repeat

        following = None if self._scheduler.is_stopping else next_iteration(command, outcome)
        worker = self._standby.get(pod.name)
        if worker and following:
            worker.begin()
        elif worker:
            worker.terminate(signal.SIGKILL)
            worker.watched.close()
            self._leaving.add(worker.pid)
            del self._standby[pod.name]
        return following

    def _repeat(self, pod: Pod, command: TaskCommand) -> None:
        from metaflow_hera.runtime.iterations import iteration_after  # few steps repeat

        self._start_worker(pod, command)
        self._standby[pod.name] = self._fork(pod, iteration_after(command), waits=True)

    def _forget(self, source: int) -> None:
        if self._by_source.pop(source, None) is not None:
            self._poll.unregister(source)

    def _obey(self, alarm: Alarm) -> None:
        """End the run as the signals that came demand."""
        while alarm.came:
            number = alarm.came.pop(0)
            hard = self._signal != 0
            self._signal = self._signal or number
            self._take_in(self._scheduler.shut_down(Shutdown.TERMINATE, INTERRUPTED))
            for worker in self._workers.values():
                worker.terminate(signal.SIGKILL if hard else signal.SIGTERM)
            self._kill_at = time.monotonic() + GRACE_SECONDS

    def _see_to_time(self) -> None:
        for worker in self._workers.values():
            worker.watched.act(worker.pid)
        now = time.monotonic()
        if now > self._look_at or any(worker.is_silent for worker in self._workers.values()):
            self._look_at = now + LOOK
            self._look_at_processes()
        self._take_in(self._scheduler.advance(time.time()))
        if self._scheduler.is_stopping:
            self._wind_up(now)

    def _look_at_processes(self) -> None:
        """See which children have ended without a word, and let go of those that told their end."""
        for worker in tuple(self._workers.values()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.watched.channel.listen()
                self._end(worker, status)
        self._leaving = {pid for pid in self._leaving if not os.waitpid(pid, os.WNOHANG)[0]}

    def _wind_up(self, now: float) -> None:
        """Start nothing more, and give what runs its time to end."""
        for pod in self._waiting.drain():
            outcome = PodOutcome(phase=Phase.FAILED, message=NOT_STARTED)
            self._take_in(self._scheduler.ended(pod.name, outcome, time.time()))
        if self._kill_at is None:
            self._kill_at = now + GRACE_SECONDS
            for worker in self._workers.values():
                worker.terminate()
        elif now > self._kill_at:
            for worker in self._workers.values():
                worker.terminate(signal.SIGKILL)
