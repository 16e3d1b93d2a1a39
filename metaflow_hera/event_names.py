"""Names of events, and of what starts runs when they come."""

from __future__ import annotations

from collections.abc import Mapping

RESERVED_PARAMETER_PREFIX = "mfhera-"
"""What the names of our own parameters of workflows begin with; a flow's never do."""


def event_parameter(index: int) -> str:
    """The parameter of a workflow that carries the payload of an event that started it, as JSON.

    >>> event_parameter(0)
    'mfhera-event-0'
    """
    return f"{RESERVED_PARAMETER_PREFIX}event-{index}"


def event_payloads(parameters: Mapping[str, str]) -> dict[str, str]:
    """Those of a run's parameters that carry payloads of events.

    >>> event_payloads({"alpha": "1", "mfhera-event-0": "{}"})
    {'mfhera-event-0': '{}'}
    """
    return {name: text for name, text in parameters.items() if name.startswith(RESERVED_PARAMETER_PREFIX)}


END_EVENT = "end"
"""Stands for the last step, whatever that is called, in the event of its success."""


def flow_event(flow: str, step: str, project: str | None = None, branch: str | None = None) -> str:
    """The event that a task of a deployed flow succeeded, as the peer calls it.

    >>> flow_event("Train", "start"), flow_event("Train", END_EVENT, "fraud", "test.x")
    ('metaflow.Train.start', 'metaflow.fraud.test.x.Train.end')
    """
    return ".".join(("metaflow", *((project, branch) if project and branch else ()), flow, step))


def project_of_event(event: str, flow: str) -> tuple[str, str] | None:
    """The project and branch in a `flow_event`; None if it has none.

    >>> project_of_event("metaflow.fraud.test.x.Train.end", "Train")
    ('fraud', 'test.x')
    """
    project, _, branch = event.rpartition(f".{flow}.")[0].removeprefix("metaflow").lstrip(".").partition(".")
    return (project, branch) if branch else None


def sensor_name(deployment: str) -> str:
    """Of the Sensor that starts runs of a deployment: Argo Events takes no dots there.

    >>> sensor_name("fraud.prod.train")
    'fraud-prod-train'
    """
    return deployment.replace(".", "-")
