"""What starts runs by itself: kept in annotations of the WorkflowTemplate, from where all else can be made again.

A CronWorkflow or a Sensor beside the template says the same, or the manifest is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from metaflow_hera.argo import fixed
from metaflow_hera.argo.fields import Fields
from metaflow_hera.argo.sensor import to_sensor
from metaflow_hera.errors import ManifestError, StoreError
from metaflow_hera.labels import INSTANCE_LABEL, Annotations
from metaflow_hera.plan.records import Concurrency, Plan, Schedule, Triggers
from metaflow_hera.records.codec import decode, encode

OF_THE_SERVER: Final = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
"""Metadata that Kubernetes writes into what it keeps."""
OF_ARGO: Final = "workflows.argoproj.io/"
OF_KUBECTL: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps what it was given."""

_UNLESS_SAID: Final = asdict(Schedule(cron=""))


def beginnings(plan: Plan) -> dict[str, str]:
    """The annotations that hold a plan's schedule and triggers."""
    known = {}
    if plan.schedule is not None:
        said = {name: value for name, value in asdict(plan.schedule).items() if value != _UNLESS_SAID[name]}
        known[Annotations.SCHEDULE] = json.dumps({**said, "timezone": plan.schedule.timezone}, sort_keys=True)
    if plan.triggers is not None:
        known[Annotations.TRIGGERS] = encode(plan.triggers).decode()
    return known


def read_schedule(text: str | None, where: str) -> Schedule | None:
    if text is None:
        return None
    try:
        said = json.loads(text)
        return Schedule(**{**said, "concurrency": Concurrency(said.get("concurrency", Concurrency.ALLOW))})
    except (ValueError, TypeError, AttributeError) as error:
        raise ManifestError(f"{where}: {Annotations.SCHEDULE!r} is {text!r}, which is no schedule") from error


def read_triggers(text: str | None, where: str) -> Triggers | None:
    if text is None:
        return None
    try:
        return decode(Triggers, text.encode())
    except StoreError as error:
        raise ManifestError(f"{where}: {Annotations.TRIGGERS!r} is {text!r}, which says no triggers") from error


def own_labels(metadata: Fields) -> dict[str, str]:
    """Without those with which Argo's server says who made an object."""
    labels = metadata.texts("labels").items()
    return {name: value for name, value in labels if name == INSTANCE_LABEL or not name.startswith(OF_ARGO)}


def check_cron(document: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a CronWorkflow that is not the one of the plan's schedule."""
    schedule = plan.schedule
    if schedule is None:
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has no schedule, but there is a CronWorkflow")
    with Fields(document, "CronWorkflow") as fields:
        _check_head(fields, "CronWorkflow", plan, plan.name, {})
        with fields.inner("spec") as spec:
            spec.expect("concurrencyPolicy", schedule.concurrency.value)
            spec.expect("startingDeadlineSeconds", schedule.starting_deadline)
            spec.expect("successfulJobsHistoryLimit", schedule.successful_runs)
            spec.expect("failedJobsHistoryLimit", schedule.failed_runs)
            spec.expect("workflowSpec", {"workflowTemplateRef": {"name": plan.name}})
            spec.expect("schedules", [schedule.cron])
            spec.expect("timezone", schedule.timezone)


def check_sensor(document: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a Sensor that is not the one of the plan's triggers."""
    made = to_sensor(plan)
    if made is None:
        raise ManifestError(f"WorkflowTemplate {plan.name!r} has no triggers for a Sensor, but there is one")
    with Fields(document, "Sensor") as fields:
        metadata = made["metadata"]
        _check_head(fields, "Sensor", plan, metadata["name"], metadata["annotations"])
        with fields.inner("spec") as spec:
            spec.ignore("loggingFields")  # Argo's server adds it
            for name, value in made["spec"].items():
                spec.expect(name, value)


def _check_head(fields: Fields, kind: str, plan: Plan, name: str, annotations: Mapping[str, str]) -> None:
    fields.ignore("status")
    fields.expect("apiVersion", fixed.API_VERSION)
    fields.expect("kind", kind)
    with fields.inner("metadata") as metadata:
        metadata.ignore(*OF_THE_SERVER)
        metadata.expect("name", name)
        metadata.expect("namespace", plan.namespace or None)
        if own_labels(metadata) != plan.labels:
            raise ManifestError(f"{metadata.where}: its labels are not those of WorkflowTemplate {plan.name!r}")
        with metadata.inner("annotations") as found:
            found.ignore(OF_KUBECTL)
            for annotation, value in annotations.items():
                found.expect(annotation, value)
