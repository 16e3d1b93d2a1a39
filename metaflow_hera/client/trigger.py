"""What started a run besides its user: `current.trigger`, and `Run.trigger`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from metaflow_hera.client.objects import local_time
from metaflow_hera.client.run import Run
from metaflow_hera.records.run import Cause
from metaflow_hera.store import Store


class MetaflowEvent(NamedTuple):
    """One event."""

    name: str
    id: str
    """Of this very event; of a run its path."""
    timestamp: datetime
    type: str
    """``event``, or ``run`` for the end of a run that succeeded."""


class Trigger:
    """All events that together started a run."""

    def __init__(self, causes: Iterable[Cause], store: Store) -> None:
        self._events: dict[MetaflowEvent, Run | None] = {}
        for cause in causes:
            event = MetaflowEvent(cause.name, cause.id, local_time(cause.timestamp), cause.type)
            flow, run, *_ = (*cause.id.split("/"), "")
            self._events[event] = Run._at(store, (flow, run)) if cause.type == "run" else None

    @property
    def event(self) -> MetaflowEvent | None:
        """The first event, most often the only one."""
        return next(iter(self._events), None)

    @property
    def events(self) -> list[MetaflowEvent]:
        return list(self._events)

    @property
    def run(self) -> Run | None:
        """The first of the runs, None if no run was among the events."""
        return next(iter(self.runs), None)

    @property
    def runs(self) -> list[Run]:
        """The runs whose end was among the events, whatever their namespace."""
        return [run for run in self._events.values() if run is not None]

    def __getitem__(self, name: str) -> MetaflowEvent | Run:
        """The run of the flow of that name, or the event; a `KeyError` if it is none of them."""
        for event, run in self._events.items():
            if run is not None and run.parent.id == name:
                return run
            if event.name == name:
                return event
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(name in (event.name, run and run.parent.id) for event, run in self._events.items())

    def __iter__(self) -> Iterator[MetaflowEvent]:
        return iter(self._events)

    def __repr__(self) -> str:
        return f"<trigger: {', '.join(event.name for event in self._events)}>"
