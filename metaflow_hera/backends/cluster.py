"""Deployed flows on a cluster, by whichever API is in front of it: Argo's controller runs what is written there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from metaflow_hera.backends import Action, Deployment, RunStatus, Shutdown
from metaflow_hera.backends.absent import not_deployed
from metaflow_hera.backends.api import ArgoApi
from metaflow_hera.backends.api_errors import no_namespace
from metaflow_hera.backends.argo_objects import (
    deployment_of,
    is_our_run,
    is_ours,
    is_untaken,
    listed_deployment,
    name_of_deployment,
    order_of,
    pod_of,
    run_status,
    templates_of,
    told_if_untaken,
    with_flow_of,
    workflow_from,
)
from metaflow_hera.backends.foreign import foreign_deployment, foreign_run, is_metaflows
from metaflow_hera.backends.one_off import one_off_workflow, plan_of_workflow
from metaflow_hera.backends.parameters import completed
from metaflow_hera.backends.pods import CONTAINERS, own_lines
from metaflow_hera.backends.publishing import Publisher
from metaflow_hera.backends.retrying import refuse_retry
from metaflow_hera.errors import (
    BackendError,
    ForeignDeploymentError,
    ForeignRunError,
    NotDeployedError,
    UnknownRunError,
)
from metaflow_hera.labels import INSTANCE_LABEL, Annotations
from metaflow_hera.naming import workflow_of_run, workflow_run_id
from metaflow_hera.plan.records import Plan
from metaflow_hera.production_names import place_name
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store


class ClusterBackend:
    """A `backends.Backend` over Argo's objects in one namespace."""

    def __init__(self, name: str, api: ArgoApi, settings: Settings) -> None:
        self.name = name
        self._api = api
        self._settings = settings
        self._ours: dict[str, str | None] = {Annotations.FLOW: None}
        if settings.argo_instance_id:
            self._ours[INSTANCE_LABEL] = settings.argo_instance_id

    @property
    def place(self) -> str:
        namespace = self._api.namespace
        return place_name(self.name, namespace, f"{self._api.server.rstrip('/')}/{namespace}")

    @property
    def namespace(self) -> str:
        return self._api.namespace

    @property
    def where(self) -> str:
        return self._api.place

    def deploy(self, plan: Plan) -> None:
        Publisher(self._api).publish(plan)

    def check(self, plan: Plan) -> None:
        Publisher(self._api).check(plan)

    def deployment(self, name: str) -> Deployment:
        return deployment_of(self._template(name))

    def deployments(self) -> Iterator[Deployment]:
        return map(listed_deployment, self._templates())

    def delete(self, name: str) -> None:
        self._template(name)
        Publisher(self._api).withdraw(name)

    def trigger(self, name: str, parameters: Mapping[str, str]) -> str:
        plan = deployment_of(self._template(name)).plan
        made = self._api.create(workflow_from(plan, completed(plan, parameters)))
        return workflow_run_id(made["metadata"]["name"])

    def submit(self, plan: Plan, parameters: Mapping[str, str], run: str = "") -> str:
        workflow = one_off_workflow(plan, completed(plan, parameters), workflow_of_run(run) or "")
        return workflow_run_id(self._api.create(workflow)["metadata"]["name"])

    def plan(self, run: str) -> Plan:
        workflow = self._workflow(run)
        if not templates_of(workflow):
            raise BackendError(f"Argo's controller has not taken up run {run}, so what it runs is not known yet")
        return plan_of_workflow(workflow, name_of_deployment(workflow))

    def run(self, run: str) -> RunStatus:
        return told_if_untaken(run_status(self._workflow(run)), datetime.now(UTC), self._api.place)

    def runs(self, name: str | None = None) -> Iterator[RunStatus]:
        found = self._api.list("Workflow", self._ours)
        wanted = [workflow for workflow in found if name is None or name_of_deployment(workflow) == name]
        return (run_status(workflow, with_nodes=False) for workflow in sorted(wanted, key=order_of, reverse=True))

    def watch(self, run: str) -> Iterator[RunStatus]:
        before = run_status(self._workflow(run))
        yield before
        while not before.phase.is_final:
            for workflow in self._api.watch(_workflow_name(run)):
                status = run_status(workflow)
                if status != before:
                    yield status
                before = status
                if before.phase.is_final:
                    break
            else:
                self._workflow(run)

    def pod_log(self, run: str, node: str) -> Iterator[str]:
        workflow = self._workflow(run)
        if pod := pod_of(workflow, node):
            for container in CONTAINERS:
                yield from own_lines(self._api.log(workflow["metadata"]["name"], pod, container))

    def terminate(self, run: str) -> None:
        workflow = self._workflow(run)
        # Argo runs no exit handler then, so nobody else would write it.
        if self._act(Action.TERMINATE, workflow) and (store := self._store(workflow)) is not None:
            end = EndRecord(status=runs.FAILED, finished=time.time(), message=Shutdown.TERMINATE)
            runs.end(store, run_status(workflow, with_nodes=False).flow, run, end)

    def stop(self, run: str) -> None:
        self._act(Action.STOP, self._workflow(run))

    def suspend(self, run: str) -> None:
        self._act(Action.SUSPEND, self._workflow(run))

    def unsuspend(self, run: str) -> None:
        self._act(Action.UNSUSPEND, self._workflow(run))

    def retry(self, run: str) -> None:
        workflow = self._workflow(run)
        before = run_status(workflow, with_nodes=False)
        refuse_retry(run, before.phase)
        if not before.phase.is_final:
            return
        # First, so that whoever dies in between leaves no end that is not one; the next look at it mends the rest.
        if (store := self._store(workflow)) is not None:
            runs.reopen(store, before.flow, run)
        if self._api.act(Action.RETRY, _workflow_name(run)) is None:
            raise self._unknown(run)

    def _act(self, action: Action, workflow: Mapping[str, Any]) -> bool:
        """Whether there was anything to do: it had not ended."""
        before = run_status(workflow, with_nodes=False)
        if before.phase.is_final:
            return False
        if self._api.act(action, workflow["metadata"]["name"]) is None:
            raise self._unknown(before.run)
        return True

    def _template(self, name: str) -> dict[str, Any]:
        template = self._api.get("WorkflowTemplate", name)
        if template is None:
            names = [str(each["metadata"]["name"]) for each in self._templates()]
            raise NotDeployedError(not_deployed(name, self.where, names))
        if not is_ours(template):
            raise ForeignDeploymentError(foreign_deployment(template, self._api.place, self.namespace))
        return template

    def _templates(self) -> list[dict[str, Any]]:
        """All of ours, by name; `BackendError` if there is not even the namespace."""
        found = sorted(self._api.list("WorkflowTemplate", self._ours), key=lambda each: str(each["metadata"]["name"]))
        if not found and self._api.lacks_namespace():
            raise BackendError(f"cannot list WorkflowTemplates: {no_namespace(self.namespace)}")
        return found

    def _workflow(self, run: str) -> dict[str, Any]:
        workflow = self._api.get("Workflow", _workflow_name(run)) if workflow_of_run(run) else None
        if workflow is None:
            raise self._unknown(run)
        if is_our_run(workflow):
            return workflow
        if (template := self._template_to_come(workflow)) is None:
            raise ForeignRunError(foreign_run(workflow, self._api.place, self.namespace))
        return with_flow_of(workflow, template)

    def _template_to_come(self, workflow: Mapping[str, Any]) -> dict[str, Any] | None:
        """The template of ours that a Workflow will run, of which a controller has put nothing on it yet.

        So are those of CronWorkflows and of `argo submit --from` at first, or as long as too many others run.
        """
        name = name_of_deployment(workflow)
        if not name or is_metaflows(workflow) or not is_untaken(workflow):
            return None
        template = self._api.get("WorkflowTemplate", name)
        return template if template is not None and is_ours(template) else None

    def _unknown(self, run: str) -> UnknownRunError:
        return UnknownRunError(f"there is no run {run!r} in {self._api.place}; `mfhera runs` lists them")

    def _store(self, workflow: Mapping[str, Any]) -> Store | None:
        """Where it is recorded, if it says so, or its deployment does and is there."""
        uri, deployment = _datastore(workflow), name_of_deployment(workflow)
        if not uri and deployment and (template := self._api.get("WorkflowTemplate", deployment)) is not None:
            uri = _datastore(template)
        return open_store(uri, self._settings) if uri else None


def _datastore(document: Mapping[str, Any]) -> str:
    return str((document["metadata"].get("annotations") or {}).get(Annotations.DATASTORE, ""))


def _workflow_name(run: str) -> str:
    return workflow_of_run(run) or ""
