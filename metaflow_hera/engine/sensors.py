"""The triggers of all deployments, and the runs that events start: what Sensors are in a cluster.

Each event is handled once, in one change of the database with all that comes of it, so an engine that dies at any
moment loses none and starts nothing twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from metaflow_hera.engine.schedules import next_firing
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.triggering import StoredEvent, TriggeringState
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.event_names import event_parameter
from metaflow_hera.event_queue import EventQueue
from metaflow_hera.flow.parameters import NONE
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan, Reset, Schedule, Triggers
from metaflow_hera.records.codec import encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A deployment in one version; it has a plan only if it has triggers and can be read."""

    digest: str
    manifest: str
    plan: Plan | None


@dataclass(slots=True)
class Sensors:
    """Lets events start runs; reads a deployment's manifest again only when there is a new version of it."""

    state: TriggeringState
    queue: EventQueue
    read_plan: Callable[[str], Plan]
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _is_settled: bool = False

    def fire(self, now: float) -> int:
        """Handle all events that were published up to now, by what is deployed now; return how many runs that started.

        May be called by several processes at once.
        """
        self._take_in()
        started = self._handle(now) if not self._is_settled or self._has_changed() else 0
        while self.state.has_unhandled():
            started += self._handle(now)
        return started

    def _take_in(self) -> None:
        """Bring events from the queue into the database; a file that is none must not stop all others."""
        for file in self.queue.waiting():
            try:
                event = json.loads(file.read_bytes())
                name, payload, at = event["name"], event["payload"], float(event["at"])
                json.loads(payload)["name"]
            except FileNotFoundError:
                continue  # another process took it in
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                logger.error("%s holds no event: %s", file, error)
            else:
                self.state.add_event(file.stem, name, payload, at)
            file.unlink(missing_ok=True)

    def _has_changed(self) -> bool:
        return self.state.digests() != {name: entry.digest for name, entry in self._entries.items()}

    def _handle(self, now: float) -> int:
        started = 0
        with self.state.handling() as events:
            self._settle()
            for event in events:
                for name, entry in self._entries.items():
                    if entry.plan is not None and entry.plan.triggers is not None:
                        started += self._offer(event, name, entry.manifest, entry.plan, entry.plan.triggers, now)
        return started

    def _settle(self) -> None:
        """Know what is deployed, and forget what deployments received that are gone or wait for other events."""
        digests = self.state.digests()
        for name, digest in digests.items():
            if name not in self._entries or self._entries[name].digest != digest:
                self._entries[name] = self._entry(name, digest)
        for gone in self._entries.keys() - digests.keys():
            del self._entries[gone]
        triggered = {name: entry.plan.triggers for name, entry in self._entries.items() if entry.plan}
        for name, triggers in triggered.items():
            if triggers:
                self.state.settle_sensor(name, encode(triggers).decode())
        for name in self.state.sensors() - triggered.keys():
            self.state.remove_sensor(name)
        self._is_settled = True

    def _entry(self, name: str, digest: str) -> _Entry:
        """One that cannot be read must not stop all others."""
        deployment = self.state.deployment(name)
        assert deployment is not None, "it was there within the same change"
        manifest = deployment.manifest
        if Annotations.TRIGGERS not in manifest:
            return _Entry(digest, manifest, None)
        try:
            plan = self.read_plan(manifest)
            for reset in plan.triggers.resets if plan.triggers else ():
                next_firing(_clock(reset), 0.0)
        except MetaflowHeraError as error:
            logger.error("no event starts %s: %s", name, error)
            return _Entry(digest, manifest, None)
        return _Entry(digest, manifest, plan if plan.triggers else None)

    def _offer(self, event: StoredEvent, name: str, manifest: str, plan: Plan, triggers: Triggers, now: float) -> bool:
        """Let a deployment receive an event if it waits for it; whether all have come, and a run is started."""
        fields = event.fields
        places = [place for place, awaited in enumerate(triggers.events) if awaited.is_met_by(event.name, fields)]
        if not places:
            return False
        for place, before in self.state.received(name).items():
            if _was_reset(triggers.resets, before.at, event.at):
                self.state.forget(name, place)
        for place in places:
            self.state.receive(name, place, event.number)
        received = self.state.received(name)
        if len(received) < len(triggers.events):
            return False
        run = triggered_run(name, manifest, plan, received, now)
        workflow = self.state.start(run, list(received.values()))
        logger.info("run %s is started by %s", workflow, ", ".join(each.name for each in received.values()))
        return True


def _was_reset(resets: Iterable[Reset], received: float, now: float) -> bool:
    """Whether what was received is forgotten by *now*."""
    return any(next_firing(_clock(reset), received) <= now for reset in resets)


def _clock(reset: Reset) -> Schedule:
    return Schedule(cron=reset.cron, timezone=reset.timezone)


def triggered_run(name: str, manifest: str, plan: Plan, received: dict[int, StoredEvent], now: float) -> StoredRun:
    """The run that events start, with their payloads as a Sensor hands them on; it has no name yet."""
    defaults = {each.name: NONE if each.value is None else each.value for each in plan.parameters}
    return StoredRun(
        workflow="",
        deployment=name,
        flow=plan.annotations.get(Annotations.FLOW, ""),
        manifest=manifest,
        parameters={**defaults, **{event_parameter(place): event.payload for place, event in received.items()}},
        created=now,
    )
