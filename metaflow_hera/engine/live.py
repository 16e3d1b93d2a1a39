"""One run that the engine is at: its scheduler, its pods, and the database kept in step with both.

What happened is written down before anything follows from it, so an engine that dies at any moment leaves a run that
another one takes up where it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaflow_hera.engine import pods
from metaflow_hera.engine.journal import Journal, ShutDown
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.pods import Machine, PodState
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.engine.state import NOTHING, State
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.waiting import Waiting
from metaflow_hera.plan.records import Plan
from metaflow_hera.records.events import success_events

VANISHED_LIMIT: Final = 3
"""How often a pod that ended without an outcome is started again by one engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all runs of an engine share."""

    state: State
    folder: Path
    """Of all pods."""
    machine: Machine


class LiveRun:
    """A run between its beginning and its end."""

    def __init__(self, stored: StoredRun, plan: Plan, place: Place, *, started: float) -> None:
        self.stored = stored
        self.priority = plan.priority or 0
        self._place = place
        self._scheduler = Scheduler(plan, stored.workflow, started=started)
        self._parameters = pods.parameters_file(stored.parameters)
        self._waiting = Waiting()
        self._numbers: dict[str, int] = {}
        self.running: dict[str, Pod] = {}
        self._vanished: Counter[str] = Counter()
        self._was_stopping = False
        self._journal = Journal(place.state.events(stored.number))
        self._shutdowns = {event.how for event in self._journal.events if isinstance(event, ShutDown)}
        self.is_suspended = False

    @classmethod
    def take_up(cls, stored: StoredRun, plan: Plan, place: Place, now: float) -> LiveRun:
        """Begin a run, or go on with one that another engine left."""
        if stored.started is None:
            place.state.begin_run(stored.number, now)
        run = cls(stored, plan, place, started=now if stored.started is None else stored.started)
        run._numbers.update((pod.name, pod.number) for pod in place.state.pods(stored.number))
        for name, pod in run._journal.replay(run._scheduler).items():
            if name in run._numbers:
                run.running[name] = pod
            else:
                run._waiting.extend([pod])
        run._follow_up(now)
        return run

    @property
    def is_over(self) -> bool:
        return self._scheduler.phase.is_final

    @property
    def next_due(self) -> float | None:
        return self._scheduler.next_due

    @property
    def can_start(self) -> bool:
        return bool(self._waiting) and not self.is_suspended

    @property
    def slots(self) -> frozenset[str]:
        """What takes room: its running pods, a gang as one."""
        return frozenset(pod.slot for pod in self.running.values())

    def start_next(self, now: float, *, has_room: bool) -> bool:
        """Start the pod that waits longest, or is one of a gang that runs; whether there was one."""
        pod = self._waiting.take(self.slots, has_room=has_room)
        if pod is not None:
            self._start(pod, now)
        return pod is not None

    def _start(self, pod: Pod, now: float) -> None:
        if pod.name not in self._numbers:
            self._numbers[pod.name] = self._place.state.add_pod(self.stored.number, pod, now)
        try:
            pods.start(self._folder(pod.name), pod, self._parameters, self._place.machine)
        except OSError as error:
            self._ended(pod.name, PodOutcome(phase=Phase.ERROR, message=f"the pod could not be started: {error}"), now)
            self._follow_up(now)
            return
        self.running[pod.name] = pod

    def collect(self, now: float) -> None:
        """See which pods have ended, and what time has brought."""
        for name, pod in tuple(self.running.items()):
            folder = self._folder(name)
            match pods.state(folder):
                case PodState.ENDED:
                    self._collect_ended(pod, folder, now)
                case PodState.GONE:
                    self._collect_gone(pod, folder, now)
                case PodState.RUNNING:
                    pass
        self._wait(self._scheduler.advance(now))
        self._follow_up(now)

    def shut_down(self, how: Shutdown, now: float) -> None:
        """What is repeated changes nothing."""
        if how not in self._shutdowns:
            self._shutdowns.add(how)
            self._place.state.add_shutdown(self.stored.number, how, now)
            self._wait(self._scheduler.advance(now) + self._scheduler.shut_down(how))
            self._follow_up(now)

    def _wait(self, pods: Iterable[Pod]) -> None:
        self._waiting.extend(self._journal.to_run(self._scheduler, pods))

    def _collect_ended(self, pod: Pod, folder: Path, now: float) -> None:
        del self.running[pod.name]
        outcome = pods.outcome(folder, pod.template).promised(pod.template)
        is_success = outcome.phase is Phase.SUCCEEDED
        self._ended(pod.name, outcome, now, _events_of(pod, now) if is_success else NOTHING)
        if is_success:
            pods.clear(folder)
        else:
            pods.clear_work(folder)

    def _collect_gone(self, pod: Pod, folder: Path, now: float) -> None:
        """A reboot is not the task's failure: its pod starts again. One that vanishes again and again is in error."""
        del self.running[pod.name]
        pods.kill_orphans(folder)
        self._vanished[pod.name] += 1
        if self._vanished[pod.name] > VANISHED_LIMIT:
            self._ended(pod.name, PodOutcome(phase=Phase.ERROR, message="the pod's supervisor died"), now)
        else:
            self._waiting.put_first(pod)

    def _ended(self, name: str, outcome: PodOutcome, now: float, published: Mapping[str, str] = NOTHING) -> None:
        self._place.state.end_pod(self.stored.number, name, outcome, now, published)
        self._wait(self._scheduler.ended(name, outcome, now))

    def _follow_up(self, now: float) -> None:
        """Do what the scheduler's state asks for beside new pods: end pods, and write down the run's end."""
        if self._scheduler.is_stopping and not self._was_stopping:
            for name in self.running:
                pods.terminate(self._folder(name))
        self._was_stopping = self._scheduler.is_stopping
        for pod in self._waiting.drain() if self._scheduler.is_stopping else ():
            outcome = PodOutcome(phase=Phase.FAILED, message="the run ended before this pod started")
            self._ended(pod.name, outcome, now)
        if self.is_over:
            self._place.state.end_run(self.stored.number, self._scheduler.phase, self._scheduler.message, now)

    def _folder(self, pod: str) -> Path:
        return self._place.folder / str(self._numbers[pod])


def _events_of(pod: Pod, now: float) -> dict[str, str]:
    """The events that tell of the success of a pod's task, payloads by name: here the engine publishes them."""
    events = success_events(pod.command, now) if pod.command else {}
    return {name: json.dumps(payload, ensure_ascii=False) for name, payload in events.items()}
