"""What is told of a run that events started."""

from __future__ import annotations

import json
from dataclasses import replace

from metaflow_hera.backends import Backend, RunStatus
from metaflow_hera.errors import BackendError, ManifestError, ParameterError
from metaflow_hera.event_names import event_payloads
from metaflow_hera.plan.one_off import events_of
from metaflow_hera.runtime.events import told_by_events


def with_values_of_events(status: RunStatus, backend: Backend) -> RunStatus:
    """A status with the parameters that the run has from the events which started it, besides those events."""
    names = dict.fromkeys(status.parameters, None)
    try:
        texts = told_by_events(events_of(backend.plan(status.run)), names, status.parameters).texts
    except (ParameterError, BackendError, ManifestError):  # the start step tells of the first; the others can wait
        return status
    return replace(status, parameters={**texts, **event_payloads(status.parameters)})


def event_name(payload: str) -> str:
    """Of an event as a run has it: as JSON."""
    try:
        return f"the event {json.loads(payload)['name']}"
    except (ValueError, KeyError, TypeError):
        return "an event that cannot be read"
