"""What happened to a run, in order: enough to bring a `Scheduler` back to where it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A pod ended."""

    pod: str
    outcome: PodOutcome
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """Somebody asked for the end of the run."""

    message: str
    at: float


Event = Ended | Terminated


def replay(scheduler: Scheduler, events: Iterable[Event]) -> dict[str, Pod]:
    """Take a new scheduler through all of the run's events; the pods that should be running now, by name."""
    pods = {pod.name: pod for pod in scheduler.begin()}
    for event in events:
        pods.update((pod.name, pod) for pod in scheduler.advance(event.at))
        # A clock that was set back lets a pod end before its backoff was over.
        while isinstance(event, Ended) and event.pod not in pods and (due := scheduler.next_due) is not None:
            pods.update((pod.name, pod) for pod in scheduler.advance(due))
        if isinstance(event, Terminated):
            started = scheduler.terminate(event.message)
        elif pods.pop(event.pod, None) is None:
            raise EngineError(f"the journal tells of {event.pod}, which could not have run by then")
        else:
            started = scheduler.ended(event.pod, event.outcome, event.at)
        pods.update((pod.name, pod) for pod in started)
    return pods
