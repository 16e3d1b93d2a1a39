"""The engine's database as far as it is about runs that start by themselves: firings of schedules, and events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from metaflow_hera.deployment_names import fresh_workflow_name
from metaflow_hera.engine.state import State
from metaflow_hera.engine.stored import StoredRun

KEPT: Final = 1000
"""Events that are remembered when they are handled and nothing came of them."""

_AT_ONCE: Final = 200
_EVENT: Final = ("number", "name", "payload", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event that was published."""

    number: int
    name: str
    payload: str
    """As JSON."""
    at: float
    runs: tuple[str, ...] = ()
    """The workflows that it started, alone or with others."""
    awaiting: tuple[str, ...] = ()
    """The deployments that have received it and wait for others."""

    @property
    def fields(self) -> dict[str, Any]:
        """The payload."""
        return dict(json.loads(self.payload))


class TriggeringState(State):
    """The database of the engine, with schedules and events."""

    def deployed_at(self) -> dict[str, float]:
        """When each deployment was made what it is: a version's number may come again after a deletion."""
        return {row[0]: row[1] for row in self._rows("select name, created from deployments order by name")}

    def last_firing(self, deployment: str) -> float | None:
        rows = self._rows("select scheduled from firings where deployment = ?", deployment)
        return float(rows[0][0]) if rows else None

    def fire(self, run: StoredRun, scheduled: float) -> None:
        """Add the run of a schedule, and remember that it was fired; both or neither."""
        with self._change():
            self._execute("insert or replace into firings values (?, ?)", run.deployment, scheduled)
            with suppress(sqlite3.IntegrityError):  # a clock that was set back comes by the same minute again
                self._add(run)
                self._execute("insert into scheduled values (?, ?)", run.workflow, run.deployment)

    def skip(self, deployment: str, scheduled: float) -> None:
        """Remember that a schedule came by that time, and started nothing."""
        with self._change():
            self._execute("insert or replace into firings values (?, ?)", deployment, scheduled)

    def unfinished_of_schedule(self, deployment: str) -> list[str]:
        """The runs that a deployment's schedule started and that have not ended, by their workflows."""
        query = "select workflow from unfinished_runs join scheduled using (workflow) where scheduled.deployment = ?"
        return [row[0] for row in self._rows(query, deployment)]

    def add_event(self, key: str, name: str, payload: str, at: float) -> None:
        """Publish an event; one of a key that was there is the same."""
        with self._change():
            self._publish(key, name, payload, at)

    def has_unhandled(self) -> bool:
        return bool(self._rows("select 1 from published where is_handled = 0 limit 1"))

    def digests(self) -> dict[str, str]:
        """The manifest of each deployment, by its digest."""
        return {row[0]: row[1] for row in self._rows("select name, digest from deployments order by name")}

    @contextmanager
    def handling(self) -> Iterator[list[StoredEvent]]:
        """The events that nobody has handled, the oldest first and not too many at once.

        What is done with them within is one change: all of it, or nothing if the process dies.
        """
        with self._change():
            rows = self._rows("select * from unhandled_events order by number limit ?", _AT_ONCE)
            yield [StoredEvent(**row) for row in rows]
            if rows:
                last = rows[-1]["number"]
                self._execute("update published set is_handled = 1 where is_handled = 0 and number <= ?", last)
                self._execute(
                    "delete from published where number <= ? and is_handled = 1 "
                    "and number not in (select event from received) and number not in (select event from started)",
                    last - KEPT,
                )

    # What follows is called while events are handled.

    def settle_sensor(self, deployment: str, triggers: str) -> None:
        """Let a deployment wait for these events; what it received for others is forgotten."""
        rows = self._rows("select triggers from sensors where deployment = ?", deployment)
        if not rows or rows[0][0] != triggers:
            self._execute("delete from received where deployment = ?", deployment)
            self._execute("insert or replace into sensors values (?, ?)", deployment, triggers)

    def sensors(self) -> set[str]:
        return {row[0] for row in self._rows("select deployment from sensors")}

    def remove_sensor(self, deployment: str) -> None:
        self._execute("delete from received where deployment = ?", deployment)
        self._execute("delete from sensors where deployment = ?", deployment)

    def received(self, deployment: str) -> dict[int, StoredEvent]:
        """What a deployment has received, by the place among the events that it waits for."""
        rows = self._rows("select * from received_events where deployment = ? order by position", deployment)
        return {row["position"]: StoredEvent(**{name: row[name] for name in _EVENT}) for row in rows}

    def receive(self, deployment: str, position: int, event: int) -> None:
        """The latest of several events for one place is the one that counts."""
        self._execute("insert or replace into received values (?, ?, ?)", deployment, position, event)

    def forget(self, deployment: str, position: int) -> None:
        self._execute("delete from received where deployment = ? and position = ?", deployment, position)

    def start(self, run: StoredRun, events: list[StoredEvent]) -> str:
        """Add the run that these events start together, under a name of its own; return that."""
        while True:
            named = replace(run, workflow=fresh_workflow_name(run.deployment, 5))
            with suppress(sqlite3.IntegrityError):
                self._add(named)
                break
        self._execute("delete from received where deployment = ?", run.deployment)
        for event in {event.number for event in events}:
            self._execute("insert into started select ?, number from runs where workflow = ?", event, named.workflow)
        return named.workflow

    # And this by whoever looks.

    def published(self, limit: int) -> list[StoredEvent]:
        """The newest events first, with what came of them."""
        rows = self._rows("select * from known_events order by number desc limit ?", limit)
        return [self._with_what_came(StoredEvent(**row)) for row in rows]

    def _with_what_came(self, event: StoredEvent) -> StoredEvent:
        runs = self._rows(
            "select workflow from started join runs on run = runs.number where event = ? order by run", event.number
        )
        awaiting = self._rows("select distinct deployment from received where event = ? order by 1", event.number)
        return replace(event, runs=tuple(row[0] for row in runs), awaiting=tuple(row[0] for row in awaiting))
