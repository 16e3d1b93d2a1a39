"""Manifests as data, and the Plan that is read back from them: everything of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from metaflow_hera.argo import fixed
from metaflow_hera.argo.expressions import unescape_dollars
from metaflow_hera.argo.fields import Fields
from metaflow_hera.argo.program import ANNOTATION
from metaflow_hera.argo.starting import (
    OF_KUBECTL,
    OF_THE_SERVER,
    check_cron,
    check_sensor,
    own_labels,
    read_schedule,
    read_triggers,
)
from metaflow_hera.argo.templates import read_template
from metaflow_hera.errors import ManifestError
from metaflow_hera.event_names import sensor_name
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Container, Parameter, Plan, Ttl

_OF_ITSELF: Final = {"CronWorkflow": check_cron, "Sensor": check_sensor}
"""What may stand beside a WorkflowTemplate, and what checks that it belongs to it."""


def manifests(plan: Plan) -> list[dict[str, Any]]:
    """The WorkflowTemplate and, if the flow starts by itself, CronWorkflow and Sensor, as Kubernetes takes them."""
    from metaflow_hera.argo.hera_objects import to_manifests  # Hera takes a second, and reading needs none of it

    return to_manifests(plan)


def beside(deployment: str) -> tuple[tuple[str, str], ...]:
    """Kind and name of what a deployment may have besides its WorkflowTemplate."""
    return (("CronWorkflow", deployment), ("Sensor", sensor_name(deployment)))


def from_manifests(documents: Iterable[Mapping[str, Any]]) -> Plan:
    """The Plan behind `manifests`; `ManifestError`, with the place, for anything that is not in our subset of Argo."""
    by_kind: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        kind = str(document.get("kind"))
        if kind not in ("WorkflowTemplate", *_OF_ITSELF) or kind in by_kind:
            raise ManifestError(
                f"expected one WorkflowTemplate and at most one CronWorkflow and Sensor, found another {kind}"
            )
        by_kind[kind] = document
    if "WorkflowTemplate" not in by_kind:
        raise ManifestError("there is no WorkflowTemplate")
    plan = _plan(by_kind["WorkflowTemplate"])
    for kind, check in _OF_ITSELF.items():
        if kind in by_kind:
            check(by_kind[kind], plan)
    return plan


def listed_plan(documents: Sequence[Mapping[str, Any]]) -> Plan:
    """The same for a list: what another version wrote tells what its annotations say, and has nothing to run."""
    try:
        return from_manifests(documents)
    except ManifestError:
        template = next((each for each in documents if each.get("kind") == "WorkflowTemplate"), None)
        if template is None:
            raise
        metadata = template["metadata"]
        return Plan(
            name=metadata["name"],
            entrypoint="",
            templates=(),
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
        )


def _plan(document: Mapping[str, Any]) -> Plan:
    with Fields(document, "WorkflowTemplate") as fields:
        fields.expect("apiVersion", fixed.API_VERSION)
        fields.expect("kind", "WorkflowTemplate")
        with fields.inner("metadata") as metadata:
            metadata.ignore(*OF_THE_SERVER)
            name, namespace = metadata.text("name"), metadata.text("namespace", "")
            labels, annotations = own_labels(metadata), metadata.texts("annotations")
            annotations.pop(OF_KUBECTL, None)
            schedule = read_schedule(annotations.pop(Annotations.SCHEDULE, None), metadata.where)
            triggers = read_triggers(annotations.pop(Annotations.TRIGGERS, None), metadata.where)
        with fields.inner("spec") as spec:
            run_labels, program = _workflow_metadata(spec)
            plan = Plan(
                name=name,
                namespace=namespace,
                labels=labels,
                annotations=annotations,
                entrypoint=spec.text("entrypoint"),
                on_exit=spec.text("onExit", ""),
                service_account=spec.text("serviceAccountName", ""),
                deadline=spec.number("activeDeadlineSeconds"),
                priority=spec.number("priority"),
                ttl=_ttl(spec) if "ttlStrategy" in spec else None,
                pod_gc=_pod_gc(spec),
                run_labels=run_labels,
                schedule=schedule,
                triggers=triggers,
                parameters=_parameters(spec),
                templates=tuple(read_template(template, program) for template in spec.items("templates")),
            )
    _check_references(plan)
    return plan


def _ttl(spec: Fields) -> Ttl:
    with spec.inner("ttlStrategy") as ttl:
        return Ttl(
            completion=ttl.number("secondsAfterCompletion"),
            success=ttl.number("secondsAfterSuccess"),
            failure=ttl.number("secondsAfterFailure"),
        )


def _pod_gc(spec: Fields) -> str:
    with spec.inner("podGC") as gc:
        return gc.text("strategy", "")


def _workflow_metadata(spec: Fields) -> tuple[dict[str, str], str]:
    """The labels of every Workflow, and the program that its commands refer to."""
    with spec.inner("workflowMetadata") as metadata, metadata.inner("annotations") as annotations:
        return metadata.texts("labels"), annotations.read(ANNOTATION, unescape_dollars) or ""


def _parameters(spec: Fields) -> tuple[Parameter, ...]:
    parameters = []
    with spec.inner("arguments") as arguments:
        for one in arguments.all_inner("parameters"):
            with one as fields:
                value = fields.text("value") if "value" in fields else None
                parameters.append(
                    Parameter(name=fields.text("name"), value=value, description=fields.text("description", ""))
                )
    return tuple(parameters)


def _check_references(plan: Plan) -> None:
    """Names of templates that are there: Argo would only find out when it runs."""
    known = plan.by_name
    if len(known) != len(plan.templates):
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has two templates of one name")
    wanted = {plan.entrypoint, *filter(None, [plan.on_exit])}
    for template in plan.templates:
        if not isinstance(template, Container):
            wanted.update(task.template for task in template.tasks)
    if missing := sorted(wanted - known.keys()):
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has no template {', '.join(map(repr, missing))}")
