"""Argo's objects, as an API gives them, as what every backend tells of deployments and runs; and back. All pure."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from metaflow_hera.argo import fixed
from metaflow_hera.argo.manifest import from_manifests, listed_plan
from metaflow_hera.backends import Deployment, NodeStatus, Phase, RunStatus, Shutdown
from metaflow_hera.backends.one_off import own_parameters
from metaflow_hera.backends.pods import hint, pod_name
from metaflow_hera.errors import BackendError, ManifestError
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import workflow_run_id
from metaflow_hera.plan.names import PATH
from metaflow_hera.plan.records import Plan

Document = Mapping[str, Any]

CRON_LABEL: Final = "workflows.argoproj.io/cron-workflow"

ENDED: Final = {"Terminate": Shutdown.TERMINATE, "Stop": Shutdown.STOP}
"""How somebody ended a run, by Argo's word for it."""

ON_EXIT: Final = ".onExit"
"""What follows the name of a Workflow in those of the nodes of its exit handler."""

STARTING: Final = timedelta(seconds=30)
"""What a controller may take to see a new Workflow."""

_PHASES = {"": Phase.PENDING} | {phase.value: phase for phase in Phase}


def is_ours(document: Document) -> bool:
    """Whether we made an object, in whatever version: the label is what all of ours are listed by."""
    return Annotations.FLOW in (document["metadata"].get("labels") or {})


def is_our_run(workflow: Document) -> bool:
    """Whether it tells its flow: a label that comes from the template when a controller takes the Workflow up."""
    return bool(_flow(workflow))


def is_untaken(workflow: Document) -> bool:
    """Whether no controller has looked at it, so that it has nothing of its template yet."""
    status = workflow.get("status") or {}
    return "storedWorkflowTemplateSpec" not in status and phase_of(workflow) is Phase.PENDING


def with_flow_of(workflow: Document, template: Document) -> dict[str, Any]:
    """A Workflow with what a controller will write on it: whose flow it is."""
    metadata = workflow["metadata"]
    labels = {**(metadata.get("labels") or {}), Annotations.FLOW: _flow(template)}
    return {**workflow, "metadata": {**metadata, "labels": labels}}


def deployment_of(template: Document) -> Deployment:
    """`BackendError` for a template that this version did not write, and cannot read."""
    try:
        plan = from_manifests([template])
    except ManifestError as error:
        name = template["metadata"]["name"]
        raise BackendError(
            f"WorkflowTemplate {name!r} was deployed by another version of metaflow-hera, or changed by hand: {error}; "
            f"use that version, or deploy it anew after: mfhera delete {name}"
        ) from error
    return _deployment(template, plan)


def listed_deployment(template: Document) -> Deployment:
    """The same for a list, in which a template of another version must not hide all others."""
    return _deployment(template, listed_plan([template]))


def _deployment(template: Document, plan: Plan) -> Deployment:
    return Deployment(name=plan.name, plan=plan, created=_time(template["metadata"]["creationTimestamp"]))


def is_going(found: Document | None) -> bool:
    """Whether it is deleted, and there only until others have done what they have to do before."""
    return found is not None and "deletionTimestamp" in found["metadata"]


def workflow_from(plan: Plan, values: Mapping[str, str]) -> dict[str, Any]:
    """A Workflow that runs what is deployed as *plan*, with these values of its parameters."""
    spec: dict[str, Any] = {"workflowTemplateRef": {"name": plan.name}}
    if values:
        spec["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in values.items()]}
    metadata = {
        "generateName": f"{plan.name}-",
        "labels": {**plan.run_labels, fixed.TEMPLATE_LABEL: plan.name},
        "annotations": {
            Annotations.FLOW: plan.annotations.get(Annotations.FLOW, ""),
            Annotations.TRIGGERED_AT: datetime.now(UTC).isoformat(),
        },
    }
    return {"apiVersion": fixed.API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}


def name_of_deployment(workflow: Document) -> str:
    """Of the WorkflowTemplate behind a Workflow; empty for one that has none."""
    labels = workflow["metadata"].get("labels") or {}
    reference = workflow.get("spec", {}).get("workflowTemplateRef") or {}
    return str(reference.get("name") or labels.get(fixed.TEMPLATE_LABEL) or labels.get(CRON_LABEL) or "")


def order_of(workflow: Document) -> datetime:
    """When it was made: by the clock of who triggered it, if we did, for that of the server counts whole seconds."""
    metadata = workflow["metadata"]
    annotations = metadata.get("annotations") or {}
    return _time(annotations.get(Annotations.TRIGGERED_AT) or metadata["creationTimestamp"])


def phase_of(workflow: Document) -> Phase:
    """Pending until a controller has seen it; running in a phase that we do not know."""
    return _PHASES.get((workflow.get("status") or {}).get("phase") or "", Phase.RUNNING)


def run_status(workflow: Document, *, with_nodes: bool = True) -> RunStatus:
    """What a Workflow's own status tells, which its controller writes at its own pace."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    templates = templates_of(workflow)
    nodes = nodes_of(status)
    phase = phase_of(workflow)
    return RunStatus(
        run=workflow_run_id(metadata["name"]),
        deployment=name_of_deployment(workflow),
        flow=_flow(workflow),
        phase=phase,
        message=_message(workflow, nodes) if phase.is_bad else str(status.get("message") or "") or _waiting(nodes),
        created=_time(metadata["creationTimestamp"]),
        started=_optional_time(status.get("startedAt")),
        finished=_optional_time(status.get("finishedAt")),
        parameters=_parameters(workflow),
        nodes=tuple(_tasks(metadata["name"], nodes, templates)) if with_nodes else (),
        is_suspended=not phase.is_final and bool((workflow.get("spec") or {}).get("suspend")),
    )


def told_if_untaken(status: RunStatus, now: datetime, place: str) -> RunStatus:
    """Of a Workflow that nobody has looked at for a while, what that may mean."""
    if status.phase is not Phase.PENDING or status.started or status.message or now < status.created + STARTING:
        return status
    return replace(status, message=f"no controller has taken it up; does one watch {place}?")


def nodes_of(status: Document) -> Mapping[str, Document]:
    """The nodes of a Workflow; of a large one they are compressed, and empty if the controller keeps them elsewhere."""
    nodes: Mapping[str, Document] = status.get("nodes") or {}
    if packed := status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(packed)))
    return nodes


def templates_of(workflow: Document) -> dict[str, Document]:
    """By name; of a deployment's run none before the controller has taken it up."""
    status = workflow.get("status") or {}
    spec = status.get("storedWorkflowTemplateSpec") or workflow.get("spec") or {}
    return {template["name"]: template for template in spec.get("templates") or ()}


def _flow(workflow: Document) -> str:
    annotations = workflow["metadata"].get("annotations") or {}
    labels = workflow["metadata"].get("labels") or {}
    return str(annotations.get(Annotations.FLOW) or labels.get(Annotations.FLOW) or "")


def _parameters(workflow: Document) -> dict[str, str]:
    """Given ones, over the defaults that the controller has put beside them."""
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec") or {}
    found = own_parameters(workflow)
    for spec in (stored, workflow.get("spec") or {}):
        for parameter in (spec.get("arguments") or {}).get("parameters") or ():
            if parameter.get("value") is not None:
                found[parameter["name"]] = str(parameter["value"])
    return found


def _tasks(workflow: str, nodes: Mapping[str, Document], templates: Mapping[str, Document]) -> Iterator[NodeStatus]:
    """One for each task, in the order in which they began; the exit handler is none."""
    tasks = [node for node in _task_nodes(nodes) if not node["name"].startswith(f"{workflow}{ON_EXIT}")]
    for node in sorted(tasks, key=lambda each: (each.get("startedAt") or "", each["name"])):
        yield _task(node, nodes, templates)


def _task_nodes(nodes: Mapping[str, Document]) -> Iterator[Document]:
    """Pods, and for each that may be tried again the node over its attempts."""
    attempts = {child for node in nodes.values() if node["type"] == "Retry" for child in node.get("children") or ()}
    return (node for key, node in nodes.items() if node["type"] in ("Pod", "Retry") and key not in attempts)


def _task(node: Document, nodes: Mapping[str, Document], templates: Mapping[str, Document]) -> NodeStatus:
    attempts = _attempts(node, nodes)
    last = attempts[-1] if attempts else node
    phase = _PHASES.get(node.get("phase") or "", Phase.PENDING)
    template = templates.get(str(node.get("templateName") or ""), {})
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    message = str(last.get("message") or node.get("message") or "")
    inputs = {each["name"]: each.get("value") for each in (node.get("inputs") or {}).get("parameters") or ()}
    return NodeStatus(
        name=node["name"],
        step=str(annotations.get(Annotations.STEP) or node.get("templateName") or node["displayName"]),
        path=str(inputs.get(PATH) or "0"),
        phase=phase,
        attempts=len(attempts),
        message=message,
        hint=hint(message) if phase is Phase.PENDING or phase.is_bad else "",
        started=_optional_time(node.get("startedAt")),
        finished=_optional_time(node.get("finishedAt")),
    )


def _attempts(node: Document, nodes: Mapping[str, Document]) -> list[Document]:
    if node["type"] == "Pod":
        return [node]
    children = (nodes[child] for child in node.get("children") or () if child in nodes)
    return [child for child in children if child["type"] == "Pod"]


def pod_of(workflow: Document, node: str) -> str:
    """The pod of the last attempt of a node, by the node's name; empty if there is none."""
    nodes = nodes_of(workflow.get("status") or {})
    found = next((each for each in nodes.values() if each["name"] == node and each["type"] in ("Pod", "Retry")), None)
    attempts = _attempts(found, nodes) if found else []
    return pod_name(workflow["metadata"]["name"], attempts[-1]) if attempts else ""


def _waiting(nodes: Mapping[str, Document]) -> str:
    """What hinders a run that has not ended, if one can do something about it."""
    pending = [node for node in nodes.values() if node["type"] == "Pod" and node.get("phase") == Phase.PENDING]
    told = ((node["name"], str(node.get("message") or "")) for node in pending)
    return next((f"{name} waits: {message}; {hint(message)}" for name, message in told if hint(message)), "")


def _message(workflow: Document, nodes: Mapping[str, Document]) -> str:
    """Why it failed: what ended it from outside, or else the first task that did."""
    own = str((workflow.get("status") or {}).get("message") or "")
    if shutdown := (workflow.get("spec") or {}).get("shutdown"):
        return ENDED.get(shutdown, own)
    failed = [node for node in _task_nodes(nodes) if _PHASES.get(node.get("phase") or "", Phase.PENDING).is_bad]
    if not failed or "deadline" in own.lower():
        return own
    first = min(failed, key=lambda node: (node.get("finishedAt") or "", node["name"]))
    messages = [str(attempt.get("message") or "") for attempt in _attempts(first, nodes)]
    return f"{first['name']}: {messages[-1] if messages else first.get('message') or own}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _optional_time(text: str | None) -> datetime | None:
    return _time(text) if text else None
