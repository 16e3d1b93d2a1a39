"""Deployed flows on a cluster, by whichever API is in front of it: Argo's controller runs what is written there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from metaflow_hera.backends import Deployment, RunStatus
from metaflow_hera.backends.api import ArgoApi
from metaflow_hera.backends.argo_objects import (
    ENDED,
    deployment_of,
    name_of_deployment,
    order_of,
    run_status,
    workflow_from,
)
from metaflow_hera.backends.parameters import completed
from metaflow_hera.backends.publishing import Publisher
from metaflow_hera.errors import NotDeployedError, UnknownRunError
from metaflow_hera.naming import Annotations, workflow_of_run, workflow_run_id
from metaflow_hera.plan.records import Plan
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store


class ClusterBackend:
    """A `backends.Backend` over Argo's objects in one namespace."""

    def __init__(self, name: str, api: ArgoApi, settings: Settings) -> None:
        self.name = name
        self._api = api
        self._settings = settings

    @property
    def namespace(self) -> str:
        return self._api.namespace

    def deploy(self, plan: Plan) -> None:
        Publisher(self._api).publish(plan)

    def deployment(self, name: str) -> Deployment:
        return deployment_of(self._template(name))

    def deployments(self) -> Iterator[Deployment]:
        templates = self._api.list("WorkflowTemplate", {Annotations.FLOW: None})
        return map(deployment_of, sorted(templates, key=lambda each: str(each["metadata"]["name"])))

    def delete(self, name: str) -> None:
        self._template(name)
        Publisher(self._api).withdraw(name)

    def trigger(self, name: str, parameters: Mapping[str, str]) -> str:
        plan = deployment_of(self._template(name)).plan
        made = self._api.create(workflow_from(plan, completed(plan, parameters)))
        return workflow_run_id(made["metadata"]["name"])

    def run(self, run: str) -> RunStatus:
        return run_status(self._workflow(run))

    def runs(self, name: str | None = None) -> Iterator[RunStatus]:
        found = self._api.list("Workflow", {Annotations.FLOW: None})
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

    def terminate(self, run: str) -> None:
        before = run_status(self._workflow(run), with_nodes=False)
        if before.phase.is_final:
            return
        stopped = self._api.terminate(_workflow_name(run))
        if stopped is None:
            raise self._unknown(run)
        # Argo runs no exit handler then, so nobody else would write it.
        if uri := self._datastore(stopped):
            end = EndRecord(status=runs.FAILED, finished=time.time(), message=ENDED["Terminate"])
            runs.end(open_store(uri, self._settings), before.flow, run, end)

    def _template(self, name: str) -> dict[str, Any]:
        template = self._api.get("WorkflowTemplate", name)
        if template is None:
            names = [
                str(each["metadata"]["name"]) for each in self._api.list("WorkflowTemplate", {Annotations.FLOW: None})
            ]
            raise NotDeployedError(
                f"{name!r} is not deployed in {self._api.place} (deployed: {', '.join(sorted(names)) or 'nothing is'}"
                "); deploy it with `mfhera deploy`"
            )
        return template

    def _workflow(self, run: str) -> dict[str, Any]:
        workflow = self._api.get("Workflow", _workflow_name(run)) if workflow_of_run(run) else None
        if workflow is None:
            raise self._unknown(run)
        return workflow

    def _unknown(self, run: str) -> UnknownRunError:
        return UnknownRunError(f"there is no run {run!r} in {self._api.place}; `mfhera runs` lists them")

    def _datastore(self, workflow: Mapping[str, Any]) -> str:
        template = self._api.get("WorkflowTemplate", name_of_deployment(workflow))
        annotations = template["metadata"].get("annotations", {}) if template else {}
        return str(annotations.get(Annotations.DATASTORE, ""))


def _workflow_name(run: str) -> str:
    return workflow_of_run(run) or ""
