"""Events that start runs: what a deployment waits for, and what an event says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

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


def automatic_payload(names: tuple[str, str, str, str], project: str = "", branch: str = "") -> dict[str, str]:
    """What the event of a task says of it: *names* are those of flow, run, step and task. Its id is always the same."""
    path = pathspec(*names)
    known = dict(zip(("flow_name", "run_id", "step_name", "task_id"), names, strict=True))
    if project and branch:
        known |= {
            "project_name": project,
            "branch_name": branch,
            "project_flow_name": f"{project}.{branch}.{names[0]}",
        }
    return {"id": path, "pathspec": path, **known, AUTOMATIC: "True"}


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
