"""A deployment's objects in a cluster, changed as one: never a template of one version with the schedule of another.

The WorkflowTemplate decides: it holds its schedule as well, so whoever finds it can make the CronWorkflow that belongs
to it. Each writer does so until the template did not change meanwhile, so the last one leaves what belongs together,
whoever it was and whatever died before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.backends.api import ArgoApi, ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refuse_dropped
from metaflow_hera.errors import BackendError
from metaflow_hera.naming import Annotations
from metaflow_hera.plan.records import Plan

TRIES: Final = 20
"""How often others may come in between."""


@dataclass(frozen=True)
class Publisher:
    """Writes deployments to one cluster."""

    api: ArgoApi

    def check(self, plan: Plan) -> None:
        """Raise what `publish` would for what is there now, as far as that can be known; nothing is written."""
        template, *crons = manifests(plan)
        for document in (template, *crons):
            found = self._refuse_foreign(document["kind"], plan.name)
            placed = self._placed(document, **_replacing(found))
            refuse_dropped(placed, self.api.check(placed), self.api.place)
        if not crons and _is_ours(self.api.get("CronWorkflow", plan.name)):
            self.api.delete("CronWorkflow", plan.name, is_checked_only=True)

    def publish(self, plan: Plan) -> None:
        """Create or replace, whole or not at all: if an object is refused, the version before is put back."""
        self.check(plan)
        template, *_ = manifests(plan)
        before = self.api.get("WorkflowTemplate", plan.name)
        written = self._put(template)
        try:
            self._settle(plan.name)
        except BackendError as error:
            self._put_back(written, before, error)

    def withdraw(self, name: str) -> None:
        """Remove the template, and what belongs to it before: a schedule of nothing would fail again and again."""
        self._put_cron(name, None)
        self.api.delete("WorkflowTemplate", name)
        self._settle(name)

    def _settle(self, name: str) -> None:
        """Make the CronWorkflow be the one of the template, as often as the template changes meanwhile."""
        for _ in range(TRIES):
            template = self.api.get("WorkflowTemplate", name)
            self._put_cron(name, template)
            if _version(self.api.get("WorkflowTemplate", name)) == _version(template):
                return
        raise BackendError(f"the deployment {name!r} was changed by others {TRIES} times in a row; deploy it again")

    def _put_cron(self, name: str, template: Document | None) -> None:
        _, *crons = manifests(from_manifests([template])) if template and _is_ours(template) else (None,)
        if crons:
            self._put(crons[0])
        elif _is_ours(self.api.get("CronWorkflow", name)):
            self.api.delete("CronWorkflow", name)

    def _put(self, document: Mapping[str, Any]) -> Document:
        """Create an object, or replace the one of ours that is there."""
        kind, name = document["kind"], document["metadata"]["name"]
        for _ in range(TRIES):
            found = self._refuse_foreign(kind, name)
            try:
                if found is None:
                    return self.api.create(self._placed(document))
                return self.api.replace(self._placed(document, **_replacing(found)))
            except ConflictingWriteError:
                continue
        raise BackendError(f"the {kind} {name!r} was changed by others {TRIES} times in a row; deploy it again")

    def _refuse_foreign(self, kind: str, name: str) -> Document | None:
        """The object of ours that is there; `BackendError` if there is one of somebody else."""
        found = self.api.get(kind, name)
        if found is not None and not _is_ours(found):
            raise BackendError(
                f"there is a {kind} {name!r} in {self.api.place} that is none of ours; choose another name with --name"
            )
        return found

    def _placed(self, document: Mapping[str, Any], **metadata: str) -> Document:
        return {**document, "metadata": {**document["metadata"], "namespace": self.api.namespace, **metadata}}

    def _put_back(self, written: Document, before: Document | None, error: BackendError) -> None:
        """Undo the template that was written, unless somebody has replaced it since; always raises."""
        name = written["metadata"]["name"]
        now = self.api.get("WorkflowTemplate", name)
        if _version(now) == _version(written):
            if before is None:
                self.api.delete("WorkflowTemplate", name)
                raise BackendError(f"{error}; nothing was deployed") from error
            kept = {
                **before,
                "metadata": {**before["metadata"], "resourceVersion": written["metadata"]["resourceVersion"]},
            }
            self.api.replace(kept)
            raise BackendError(f"{error}; the version before is in place again") from error
        raise error


def _is_ours(document: Mapping[str, Any] | None) -> bool:
    return document is not None and Annotations.FLOW in (document["metadata"].get("labels") or {})


def _replacing(found: Mapping[str, Any] | None) -> dict[str, str]:
    """What the metadata of an object has that replaces this one."""
    return {} if found is None else {"resourceVersion": found["metadata"]["resourceVersion"]}


def _version(document: Mapping[str, Any] | None) -> str:
    return "" if document is None else str(document["metadata"]["resourceVersion"])
