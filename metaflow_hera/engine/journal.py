"""What happened to a run, in order: enough to bring a `Scheduler` back to where it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from metaflow_hera.engine.phases import Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A pod ended."""

    pod: str
    outcome: PodOutcome
    at: float
    is_known: bool = False
    """The run was tried again since, and this pod is not: it ends like that as soon as it would start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutDown:
    """Somebody asked for the end of the run."""

    how: Shutdown
    at: float


Event = Ended | ShutDown


class Journal:
    """A run's events, and what follows from those that are known from before it was tried again.

    Its pods may start in another order than before, since what failed holds up what waits for room.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        every = tuple(events)
        self._known = {event.pod: event for event in every if isinstance(event, Ended) and event.is_known}
        self.events = tuple(event for event in every if isinstance(event, ShutDown) or not event.is_known)

    def to_run(self, scheduler: Scheduler, pods: Iterable[Pod]) -> Iterator[Pod]:
        """Of pods that may start those that have to run, and what may start since the others need not."""
        queue = deque(pods)
        while queue:
            pod = queue.popleft()
            if (known := self._known.get(pod.name)) is None:
                yield pod
            else:
                queue.extend(scheduler.ended(pod.name, known.outcome, known.at))

    def replay(self, scheduler: Scheduler) -> dict[str, Pod]:
        """Take a new scheduler through all events; the pods that should be running now, by name."""
        pods: dict[str, Pod] = {}

        def start(started: Iterable[Pod]) -> None:
            pods.update((pod.name, pod) for pod in self.to_run(scheduler, started))

        start(scheduler.begin())
        for event in self.events:
            start(scheduler.advance(event.at))
            # A clock that was set back lets a pod end before its backoff was over.
            while isinstance(event, Ended) and event.pod not in pods and (due := scheduler.next_due) is not None:
                start(scheduler.advance(due))
            if isinstance(event, ShutDown):
                start(scheduler.shut_down(event.how))
            elif pods.pop(event.pod, None) is None:
                raise EngineError(f"the journal tells of {event.pod}, which could not have run by then")
            else:
                start(scheduler.ended(event.pod, event.outcome, event.at))
        return pods
