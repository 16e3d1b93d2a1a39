"""Manifests as data, and the Plan that is read back from them: everything of it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metaflow_hera.argo import fixed
from metaflow_hera.argo.expressions import unescape_dollars
from metaflow_hera.argo.fields import Fields
from metaflow_hera.argo.program import ANNOTATION
from metaflow_hera.argo.templates import read_template
from metaflow_hera.errors import ManifestError
from metaflow_hera.naming import Annotations
from metaflow_hera.plan.records import Container, Dag, Parameter, Plan, Schedule

_OF_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
"""Metadata that Kubernetes writes into what it keeps."""
_OF_ARGO = "workflows.argoproj.io/"
_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps what it was given."""


def manifests(plan: Plan) -> list[dict[str, Any]]:
    """The WorkflowTemplate and, if the flow is scheduled, the CronWorkflow, as Kubernetes takes them."""
    from metaflow_hera.argo.hera_objects import to_manifests  # Hera takes a second, and reading needs none of it

    return to_manifests(plan)


def from_manifests(documents: Iterable[Mapping[str, Any]]) -> Plan:
    """The Plan behind `manifests`; `ManifestError`, with the place, for anything that is not in our subset of Argo."""
    by_kind: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        kind = str(document.get("kind"))
        if kind not in ("WorkflowTemplate", "CronWorkflow") or kind in by_kind:
            raise ManifestError(f"expected one WorkflowTemplate and at most one CronWorkflow, found another {kind}")
        by_kind[kind] = document
    if "WorkflowTemplate" not in by_kind:
        raise ManifestError("there is no WorkflowTemplate")
    plan = _plan(by_kind["WorkflowTemplate"])
    if (cron := by_kind.get("CronWorkflow")) is not None:
        _check_schedule(cron, plan)
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
            metadata.ignore(*_OF_THE_SERVER)
            name, namespace = metadata.text("name"), metadata.text("namespace", "")
            labels, annotations = _own_labels(metadata), metadata.texts("annotations")
            annotations.pop(_OF_KUBECTL, None)
            schedule = _schedule(annotations.pop(Annotations.SCHEDULE, None), metadata.where)
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
                run_labels=run_labels,
                schedule=schedule,
                parameters=_parameters(spec),
                templates=tuple(read_template(template, program) for template in spec.items("templates")),
            )
    _check_references(plan)
    return plan


def _own_labels(metadata: Fields) -> dict[str, str]:
    """Without those with which Argo's server says who made an object."""
    return {name: value for name, value in metadata.texts("labels").items() if not name.startswith(_OF_ARGO)}


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


def _schedule(text: str | None, where: str) -> Schedule | None:
    if text is None:
        return None
    try:
        return Schedule(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{where}: {Annotations.SCHEDULE!r} is {text!r}, which is no schedule") from error


def _check_schedule(document: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a CronWorkflow that is not the one of the plan's schedule."""
    if plan.schedule is None:
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has no schedule, but there is a CronWorkflow")
    with Fields(document, "CronWorkflow") as fields:
        fields.ignore("status")
        fields.expect("apiVersion", fixed.API_VERSION)
        fields.expect("kind", "CronWorkflow")
        with fields.inner("metadata") as metadata:
            metadata.ignore(*_OF_THE_SERVER)
            metadata.expect("name", plan.name)
            metadata.expect("namespace", plan.namespace or None)
            if _own_labels(metadata) != plan.labels:
                raise ManifestError(f"{metadata.where}: its labels are not those of WorkflowTemplate {plan.name!r}")
            with metadata.inner("annotations") as annotations:
                annotations.ignore(_OF_KUBECTL)
        with fields.inner("spec") as spec:
            for name, value in fixed.CRON.items():
                spec.expect(name, value)
            spec.expect("workflowSpec", {"workflowTemplateRef": {"name": plan.name}})
            spec.expect("schedules", [plan.schedule.cron])
            spec.expect("timezone", plan.schedule.timezone)


def _check_references(plan: Plan) -> None:
    """Names of templates that are there: Argo would only find out when it runs."""
    known = plan.by_name
    if len(known) != len(plan.templates):
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has two templates of one name")
    wanted = {plan.entrypoint, *filter(None, [plan.on_exit])}
    for template in plan.templates:
        if not isinstance(template, Container):
            tasks = template.tasks if isinstance(template, Dag) else (template.task,)
            wanted.update(task.template for task in tasks)
    if missing := sorted(wanted - known.keys()):
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has no template {', '.join(map(repr, missing))}")
