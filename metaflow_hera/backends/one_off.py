"""A Workflow that holds its whole Plan, since nothing is deployed; and the Plan behind any Workflow of ours. Pure.

Argo evaluates references in the arguments of such a Workflow, as it does not in those of one with a template. So the
values are no arguments: they lie in the artifact of the start step, in base64, where else there is an expression.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from metaflow_hera.argo import fixed
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.argo.program import ANNOTATION
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan
from metaflow_hera.plan.text import PARAMETERS_AS_BASE64

_OF_RUNS: Final = (Annotations.TRIGGERED_AT, ANNOTATION)
"""Annotations of a Workflow that are none of its Plan's."""
_OF_ARGO: Final = "argoproj.io/"
"""In the name of what Argo Workflows and Argo Events write beside."""
_NOT_OF_PLANS: Final = ("workflowTemplateRef", "shutdown", "suspend")
"""What the spec of a Workflow says of this very run."""


def one_off_workflow(plan: Plan, values: Mapping[str, str], name: str = "") -> dict[str, Any]:
    """A Workflow that runs *plan* with these values of its parameters, under a name of its own, or one made of it."""
    template, *_ = manifests(plan)
    spec = {field: value for field, value in template["spec"].items() if field != "arguments"}
    for raw in _raw_parameters(spec):
        raw["data"] = _packed(values)
    now = datetime.now(UTC).isoformat()
    metadata = {
        **({"name": name} if name else {"generateName": f"{plan.name}-"}),
        "labels": {**plan.labels, **plan.run_labels},
        "annotations": {**plan.annotations, Annotations.TRIGGERED_AT: now},
    }
    return {"apiVersion": fixed.API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}


def own_parameters(workflow: Mapping[str, Any]) -> dict[str, str]:
    """The values of the parameters of a Workflow that holds its Plan."""
    raw = next(_raw_parameters(workflow.get("spec") or {}), {})
    data = raw.get("data", PARAMETERS_AS_BASE64)
    if data == PARAMETERS_AS_BASE64:
        return {}
    return {one["name"]: one["value"] for one in json.loads(base64.b64decode(data))}


def plan_of_workflow(workflow: Mapping[str, Any], deployment: str) -> Plan:
    """The Plan that a Workflow runs, its parameters with the values of this run; `ManifestError` for one not of ours.

    The annotations are those of the Workflow: one of a deployment has few of those that its template has.
    """
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    own = workflow.get("spec") or {}
    spec = json.loads(json.dumps(status.get("storedWorkflowTemplateSpec") or own))
    for name in _NOT_OF_PLANS:
        spec.pop(name, None)
    if values := own_parameters(workflow):
        spec["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in values.items()]}
    elif own.get("arguments"):
        spec["arguments"] = own["arguments"]
    for raw in _raw_parameters(spec):
        raw["data"] = PARAMETERS_AS_BASE64
    about = {
        "name": deployment or metadata["name"].rpartition("-")[0],
        "labels": _own(metadata.get("labels")),
        "annotations": _own(metadata.get("annotations")),
    }
    return from_manifests(
        [{"apiVersion": fixed.API_VERSION, "kind": "WorkflowTemplate", "metadata": about, "spec": spec}]
    )


def _own(named: Mapping[str, str] | None) -> dict[str, str]:
    """Labels or annotations without those of the run, and of Argo."""
    return {name: text for name, text in (named or {}).items() if name not in _OF_RUNS and _OF_ARGO not in name}


def _packed(values: Mapping[str, str]) -> str:
    """As Argo would write them."""
    listed = [{"name": name, "value": value} for name, value in values.items()]
    return base64.b64encode(json.dumps(listed).encode()).decode()


def _raw_parameters(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for template in spec.get("templates") or ():
        for artifact in (template.get("inputs") or {}).get("artifacts") or ():
            if artifact["name"] == fixed.PARAMETERS_ARTIFACT and "raw" in artifact:
                yield artifact["raw"]
