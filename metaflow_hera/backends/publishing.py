"""A deployment's objects in a cluster, changed as one: never a template of one version with the schedule of another.

The WorkflowTemplate decides: it holds its schedule and its triggers as well, so whoever finds it can make the
CronWorkflow and the Sensor that belong to it. Each writer does so until the template did not change meanwhile, so the
last one leaves what belongs together, whoever it was and whatever died before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metaflow_hera.argo.manifest import beside, from_manifests, manifests
from metaflow_hera.backends.api import ArgoApi, ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refuse_dropped
from metaflow_hera.backends.argo_objects import is_going, is_ours
from metaflow_hera.backends.foreign import in_the_way
from metaflow_hera.errors import BackendError
from metaflow_hera.labels import LABEL_PREFIX, Annotations
from metaflow_hera.plan.records import Plan

TRIES: Final = 20
"""How often others may come in between."""

GONE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.1
"""For which a deleted object is waited for, and between two looks at it."""


@dataclass(frozen=True)
class Publisher:
    """Writes deployments to one cluster."""

    api: ArgoApi

    def check(self, plan: Plan) -> None:
        """Raise what `publish` would for what is there now, as far as that can be known; nothing is written."""
        self._check(manifests(plan), plan.name)

    def _check(self, documents: Sequence[Mapping[str, Any]], deployment: str) -> Document | None:
        """The template that is there now."""
        for document in documents:
            found = self._refuse_foreign(document["kind"], document["metadata"]["name"], deployment)
            placed = self._placed(document, **_replacing(found))
            refuse_dropped(placed, self.api.check(placed), self.api.place)
        before = self.api.get("WorkflowTemplate", deployment)
        made = {document["kind"] for document in documents}
        for kind, name in beside(deployment):
            if kind not in made and _belongs(self._found(kind, name, before), deployment):
                self.api.delete(kind, name, is_checked_only=True)
        return before

    def publish(self, plan: Plan) -> None:
        """Create or replace, whole or not at all: if an object is refused, the version before is put back."""
        documents = manifests(plan)
        before = self._check(documents, plan.name)
        template, *_ = documents
        written = self._put(template, plan.name)
        try:
            self._settle(plan.name, before)
        except BackendError as error:
            self._put_back(written, before, error)

    def withdraw(self, name: str) -> None:
        """Remove the template, and what belongs to it before: what starts nothing would fail again and again."""
        before = self.api.get("WorkflowTemplate", name)
        self._put_others(name, None, before)
        self.api.delete("WorkflowTemplate", name)
        self._settle(name, before)

    def _settle(self, name: str, before: Document | None) -> None:
        """Make what belongs to the template be of it, as often as the template changes meanwhile."""
        for _ in range(TRIES):
            template = self.api.get("WorkflowTemplate", name)
            self._put_others(name, template, before)
            if _version(self.api.get("WorkflowTemplate", name)) == _version(template):
                return
        raise BackendError(f"the deployment {name!r} was changed by others {TRIES} times in a row; deploy it again")

    def _put_others(self, name: str, template: Document | None, before: Document | None) -> None:
        """The CronWorkflow and the Sensor of a template, where there was another one *before*."""
        made = manifests(from_manifests([template])) if template and is_ours(template) else []
        wanted = {document["kind"]: document for document in made}
        for kind, its_name in beside(name):
            if kind in wanted:
                self._put(wanted[kind], name)
            elif _belongs(self._found(kind, its_name, before), name):
                self._remove(kind, its_name)

    def _found(self, kind: str, name: str, before: Document | None) -> Document | None:
        try:
            return self.api.get(kind, name)
        except BackendError:
            if kind != "Sensor" or Annotations.TRIGGERS in _annotations(before):
                raise
            # A cluster without Argo Events has no Sensors, and who may not see any deploys flows without triggers.
            return None

    def _remove(self, kind: str, name: str) -> None:
        """Delete it; a CronWorkflow is there until the cluster has let go of the runs that it started."""
        self.api.delete(kind, name)
        deadline = time.monotonic() + GONE_SECONDS
        while is_going(self.api.get(kind, name)):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the {kind} {name!r} in {self.api.place} is deleted, but still there after {GONE_SECONDS:.0f} s: "
                    "does the cluster collect garbage?"
                )
            time.sleep(LOOK_SECONDS)

    def _put(self, document: Mapping[str, Any], deployment: str) -> Document:
        """Create an object, or replace the one of ours that is there, unless that says the same."""
        kind, name = document["kind"], document["metadata"]["name"]
        for _ in range(TRIES):
            found = self._refuse_foreign(kind, name, deployment)
            if is_going(found):
                self._remove(kind, name)
                continue
            try:
                if found is None:
                    return self.api.create(self._placed(document))
                wanted = _as_operated(document, found)
                if _says(found, wanted):
                    return found
                return self.api.replace(self._placed(wanted, **_replacing(found)))
            except ConflictingWriteError:
                continue
        raise BackendError(f"the {kind} {name!r} was changed by others {TRIES} times in a row; deploy it again")

    def _refuse_foreign(self, kind: str, name: str, deployment: str) -> Document | None:
        """The object of the deployment that is there; `BackendError` if there is one of somebody else."""
        found = self.api.get(kind, name)
        if found is not None and is_ours(found) and not _belongs(found, deployment):
            raise BackendError(
                f"the {kind} {name!r} in {self.api.place} is that of the deployment {_deployment(found)!r}, whose name "
                "differs from this one in dots alone; choose another name with --name"
            )
        if found is not None and not is_ours(found):
            raise BackendError(in_the_way(kind, found, self.api.place))
        return found

    def _placed(self, document: Mapping[str, Any], **metadata: str) -> Document:
        return {**document, "metadata": {**document["metadata"], "namespace": self.api.namespace, **metadata}}

    def _put_back(self, written: Document, before: Document | None, error: BackendError) -> None:
        """Undo what was written, unless somebody has replaced the template since; always raises."""
        name = written["metadata"]["name"]
        now = self.api.get("WorkflowTemplate", name)
        if _version(now) == _version(written):
            if before is None:
                self.api.delete("WorkflowTemplate", name)
                self._settle(name, None)
                raise BackendError(f"{error}; nothing was deployed") from error
            kept = {
                **before,
                "metadata": {**before["metadata"], "resourceVersion": written["metadata"]["resourceVersion"]},
            }
            self.api.replace(kept)
            self._settle(name, before)
            raise BackendError(f"{error}; the version before is in place again") from error
        raise error


def _replacing(found: Mapping[str, Any] | None) -> dict[str, str]:
    """What the metadata of an object has that replaces this one."""
    return {} if found is None else {"resourceVersion": found["metadata"]["resourceVersion"]}


def _as_operated(document: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is to be there in place of *found*: a schedule that an operator has suspended stays so."""
    if document["kind"] != "CronWorkflow" or not found["spec"].get("suspend"):
        return document
    return {**document, "spec": {**document["spec"], "suspend": True}}


def _says(found: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether an object that is there says all that a document does, and of ours nothing else."""
    there, wanted = _marks(found), _marks(document)
    return found["spec"] == document["spec"] and wanted == {
        mark for mark in there if mark in wanted or mark[0].startswith(LABEL_PREFIX)
    }


def _marks(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Labels and annotations."""
    metadata = document["metadata"]
    return {*(metadata.get("labels") or {}).items(), *(metadata.get("annotations") or {}).items()}


def _deployment(document: Mapping[str, Any]) -> str:
    """To which one an object of ours belongs: the name of a Sensor does not always tell."""
    return str(_annotations(document).get(Annotations.DEPLOYMENT) or document["metadata"]["name"])


def _annotations(document: Mapping[str, Any] | None) -> Mapping[str, str]:
    return {} if document is None else document["metadata"].get("annotations") or {}


def _belongs(found: Mapping[str, Any] | None, deployment: str) -> bool:
    return found is not None and is_ours(found) and _deployment(found) == deployment


def _version(document: Mapping[str, Any] | None) -> str:
    return "" if document is None else str(document["metadata"]["resourceVersion"])
