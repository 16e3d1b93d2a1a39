"""The Sensor of Argo Events that starts runs of a deployment, as Kubernetes takes it; Hera has no model that holds one.

It hands each event's payload to the workflow whole, as JSON in a parameter of its own. What becomes of the payload's
fields is decided in the start step, by the same code as on the embedded engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from metaflow_hera.argo import fixed
from metaflow_hera.event_names import event_parameter, sensor_name
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import EventSource, Plan, Triggers
from metaflow_hera.records.events import AUTOMATIC, Awaited

PAYLOAD: Final = "body.payload"

REQUIRED: Final = "<none>"
"""Stands for the value of a required parameter until the start step has it from an event; Argo refuses none at all."""

# To a template all numbers are floating-point numbers, so the payload is handed on as it came. Only one that Argo
# Workflows might evaluate is written anew: in JSON a `{{` can only be within a text, where an escape says the same.
TEMPLATE: Final = (
    "{{ $payload := toRawJson .Input.body.payload }}"
    '{{ if contains "{{" $payload }}{{ replace "{{" "{\\\\u007b" $payload }}'
    '{{ else }}{{ fail "as it is" }}{{ end }}'
)

ANYTHING: Final = ".*"


def to_sensor(plan: Plan) -> dict[str, Any] | None:
    """The Sensor of a plan; None if nothing triggers it, or there is no Argo Events to do so."""
    if plan.triggers is None or plan.triggers.source is None:
        return None
    namespace = {"namespace": plan.namespace} if plan.namespace else {}
    return {
        "apiVersion": fixed.API_VERSION,
        "kind": "Sensor",
        "metadata": {
            "name": sensor_name(plan.name),
            **namespace,
            "labels": dict(sorted(plan.labels.items())),
            "annotations": {Annotations.DEPLOYMENT: plan.name},
        },
        "spec": _spec(plan, plan.triggers, plan.triggers.source),
    }


def _spec(plan: Plan, triggers: Triggers, source: EventSource) -> dict[str, Any]:
    account = {"template": {"serviceAccountName": source.service_account}} if source.service_account else {}
    resets = [{"byTime": {"cron": each.cron, "timezone": each.timezone}} for each in triggers.resets]
    return {
        "eventBusName": source.bus,
        **account,
        "dependencies": [_dependency(number, each, source) for number, each in enumerate(triggers.events)],
        "triggers": [
            {
                "template": {
                    "name": sensor_name(plan.name),
                    **({"conditionsReset": resets} if resets else {}),
                    "k8s": {
                        "operation": "create",
                        "source": {"resource": _workflow(plan, triggers)},
                        "parameters": [_handed_on(number) for number in range(len(triggers.events))],
                    },
                },
                # Or an event is lost when the API server is away for a moment.
                "atLeastOnce": True,
                "retryStrategy": {"steps": 5, "duration": "1s"},
            }
        ],
    }


def _dependency(number: int, awaited: Awaited, source: EventSource) -> dict[str, Any]:
    return {
        "name": _dependency_name(number),
        "eventSourceName": source.name,
        "eventName": source.event,
        "filters": {"data": list(_filters(awaited))},
    }


def _dependency_name(number: int) -> str:
    return f"event-{number}"


def _filters(awaited: Awaited) -> Iterator[dict[str, Any]]:
    """What `Awaited.is_met_by` asks; values are regular expressions of Go, found anywhere unless they have ends."""
    yield _filter("name", f"^{re.escape(awaited.name)}$")
    if awaited.flow:
        yield _filter(AUTOMATIC, "^(?i:true)$")
    for field, value in awaited.conditions.items():
        yield _filter(field, f"^{re.escape(value)}$")
    for field in awaited.required:
        yield _filter(field, ANYTHING)


def _filter(field: str, pattern: str) -> dict[str, Any]:
    return {"path": f"{PAYLOAD}.{field}", "type": "string", "value": [pattern]}


def _workflow(plan: Plan, triggers: Triggers) -> dict[str, Any]:
    """What is created, in the namespace of the Sensor."""
    required = [parameter.name for parameter in plan.parameters if parameter.value is None]
    return {
        "apiVersion": fixed.API_VERSION,
        "kind": "Workflow",
        "metadata": {
            "generateName": f"{plan.name}-",
            "labels": dict(sorted({**plan.run_labels, fixed.TEMPLATE_LABEL: plan.name}.items())),
            "annotations": {Annotations.FLOW: plan.annotations.get(Annotations.FLOW, "")},
        },
        "spec": {
            "workflowTemplateRef": {"name": plan.name},
            "arguments": {
                "parameters": [
                    *({"name": event_parameter(number), "value": "{}"} for number in range(len(triggers.events))),
                    *({"name": name, "value": REQUIRED} for name in required),
                ]
            },
        },
    }


def _handed_on(number: int) -> dict[str, Any]:
    return {
        "src": {"dependencyName": _dependency_name(number), "dataTemplate": TEMPLATE, "dataKey": PAYLOAD},
        "dest": f"spec.arguments.parameters.{number}.value",
    }
