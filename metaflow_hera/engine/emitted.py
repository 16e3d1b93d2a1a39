"""The events that tell of the success of a pod's task: on this machine the engine publishes them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from metaflow_hera.engine.pod import Pod
from metaflow_hera.naming import Annotations
from metaflow_hera.records.events import automatic_payload, stamped


def events_of(pod: Pod, annotations: Mapping[str, str], now: float) -> dict[str, str]:
    """Payloads by the names of events; none for a pod that is no task of a deployment."""
    command = pod.command
    if command is None:
        return {}
    project = (annotations.get(Annotations.PROJECT, ""), annotations.get(Annotations.BRANCH, ""))
    payload = automatic_payload((command.flow, command.run, command.step, command.path), *project)
    return {name: json.dumps(stamped(name, payload, now), ensure_ascii=False) for name in command.publishes}
