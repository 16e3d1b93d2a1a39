"""Events that start runs: what a deployment waits for, and what an event says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from metaflow_hera.command import TaskCommand
from metaflow_hera.event_names import project_of_event
from metaflow_hera.naming import pathspec
from metaflow_hera.records.run import Cause

Payload = Mapping[str, Any]
"""The ``payload`` of an event, as its JSON says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """An event that a deployment waits for."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    """For parameters of the flow the field of the payload that gives their value, if it is there."""
    required: tuple[str, ...] = ()
    """Fields that must be there: an event without them is none of those that are awaited."""
    flow: str = ""
    """The flow whose successful run it is the end of; empty for any other event."""
    project: str = ""
    branch: str = ""

    @property
    def conditions(self) -> Mapping[str, str]:
        """What fields of the payload must say."""
        wanted = {"project_name": self.project, "branch_name": self.branch} if self.flow else {}
        return {name: value for name, value in wanted.items() if value}

    def is_met_by(self, name: str, payload: Payload) -> bool:
        """Whether this is the event, by the rules that a Sensor has for it."""
        return (
            name == self.name
            and all(required in payload for required in self.required)
            and all(payload.get(wanted) == value for wanted, value in self.conditions.items())
            and (not self.flow or is_automatic(payload))
        )


AUTOMATIC = "auto-generated-by-metaflow"
"""The field of the payload that tells events of tasks from those that somebody publishes under such a name."""


def is_automatic(payload: Payload) -> bool:
    """Whether a task's success published it; the peer writes its truths as texts."""
    return str(payload.get(AUTOMATIC)).lower() == "true"


def success_events(command: TaskCommand, now: float) -> dict[str, dict[str, Any]]:
    """What tells of the success of a task: payloads by the names of the events. Their id is always the same."""
    names = (command.flow, command.run, command.step, command.path)
    path = pathspec(*names)
    known = dict(zip(("flow_name", "run_id", "step_name", "task_id"), names, strict=True))
    payload = {"id": path, "pathspec": path, **known, AUTOMATIC: "True"}
    return {name: stamped(name, {**payload, **_project_of(name, command.flow)}, now) for name in command.publishes}


def _project_of(event: str, flow: str) -> dict[str, str]:
    if (found := project_of_event(event, flow)) is None:
        return {}
    project, branch = found
    return {"project_name": project, "branch_name": branch, "project_flow_name": f"{project}.{branch}.{flow}"}


def stamped(name: str, payload: Payload, now: float) -> dict[str, Any]:
    """A payload with what every event says of itself."""
    date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    facts = {"name": name, "timestamp": int(now), "utc_date": date, "generated-by-metaflow": True}
    return {**facts, **payload}


def cause_of(awaited: Awaited, payload: Payload, now: float) -> Cause:
    """What a run that an event started is told of it; *now* stands for when it was published if it does not say."""
    timestamp = payload.get("timestamp")
    is_time = isinstance(timestamp, int | float) and not isinstance(timestamp, bool)
    identity = str(payload.get("id", ""))
    if awaited.flow:
        identity = pathspec(awaited.flow, str(payload.get("run_id", "")))
    return Cause(
        name=awaited.name,
        id=identity,
        timestamp=float(timestamp) if is_time else now,  # type: ignore[arg-type]
        type="run" if awaited.flow else "event",
    )
