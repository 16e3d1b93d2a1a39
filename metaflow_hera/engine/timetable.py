"""The schedules of all deployments, and the runs that they start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from metaflow_hera.engine.schedules import missed_firing, next_firing
from metaflow_hera.engine.stored import StoredDeployment, StoredRun
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Concurrency, Plan, Schedule

LATE: Final = 10
"""Seconds by which a firing may be late without being missed: the engine had something else to do."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a deployment; it has a plan only if it has a schedule that can be kept."""

    deployment: StoredDeployment
    plan: Plan | None


@dataclass(slots=True)
class Timetable:
    """Fires what is due; reads a deployment's manifest again only when there is a new version of it."""

    state: TriggeringState
    read_plan: Callable[[str], Plan]
    _entries: dict[str, _Entry] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return all(entry.plan is None for entry in self._entries.values())

    def fire(self, now: float) -> float | None:
        """Add the runs that are due; return when the next one will be."""
        self._read()
        dues = []
        for name, entry in self._entries.items():
            if entry.plan is None or (schedule := entry.plan.schedule) is None:
                continue
            last = self.state.last_firing(name) or 0.0
            deadline = max(schedule.starting_deadline, LATE)
            missed = missed_firing(schedule, max(last, entry.deployment.created), now, deadline)
            if missed is not None:
                self._start(entry.deployment, entry.plan, schedule, missed, now)
            dues.append(next_firing(schedule, now))
        return min(dues, default=None)

    def _start(
        self, deployment: StoredDeployment, plan: Plan, schedule: Schedule, scheduled: float, now: float
    ) -> None:
        """Start the run of a firing, by what the schedule says of those that have not ended."""
        running = (
            [] if schedule.concurrency is Concurrency.ALLOW else self.state.unfinished_of_schedule(deployment.name)
        )
        if running and schedule.concurrency is Concurrency.FORBID:
            logger.info("%s is not run by its schedule now: %s has not ended", deployment.name, running[0])
            self.state.skip(deployment.name, scheduled)
            return
        for workflow in running:
            self.state.request_termination(workflow)
        self.state.fire(scheduled_run(deployment, plan, scheduled, now), scheduled)

    def _read(self) -> None:
        times = self.state.deployed_at()
        for gone in self._entries.keys() - times.keys():
            del self._entries[gone]
        for name, time in times.items():
            known = self._entries.get(name)
            if known is None or known.deployment.created != time:
                deployment = self.state.deployment(name)
                if deployment is not None:
                    self._entries[name] = _Entry(deployment, self._scheduled_plan(deployment))

    def _scheduled_plan(self, deployment: StoredDeployment) -> Plan | None:
        """The plan of a deployment with a schedule; one that cannot be read must not stop all others."""
        try:
            plan = self.read_plan(deployment.manifest)
            if plan.schedule is None:
                return None
            next_firing(plan.schedule, deployment.created)
            return plan
        except MetaflowHeraError as error:
            logger.error("%s is not run by its schedule: %s", deployment.name, error)
            return None


def scheduled_run(deployment: StoredDeployment, plan: Plan, scheduled: float, now: float) -> StoredRun:
    """The run of a firing, named as Argo names it."""
    return StoredRun(
        workflow=f"{deployment.name}-{int(scheduled)}",
        deployment=deployment.name,
        flow=plan.annotations.get(Annotations.FLOW, ""),
        manifest=deployment.manifest,
        parameters={parameter.name: parameter.value or "" for parameter in plan.parameters},
        created=now,
    )
