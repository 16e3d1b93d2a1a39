"""Argo's objects through the Argo Server, by Hera's service; what that lacks is added: errors that say what was tried,
logs, watching, and the connections of `argo_session`.
"""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar

import requests
from hera.exceptions import HeraException, NotFound
from hera.workflows import WorkflowsService, models

from metaflow_hera.backends import Action
from metaflow_hera.backends.api import ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refused, unreachable
from metaflow_hera.backends.argo_objects import phase_of
from metaflow_hera.backends.argo_server_sensors import Sensors
from metaflow_hera.backends.argo_session import ArgoSession, base_url, whole
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

T = TypeVar("T")

LOOK: Final = 1.0
"""Seconds between two looks at a Workflow that is watched, where its changes are not told."""

QUIET: Final = 20.0
"""Seconds without news after which nothing more is expected of an answer that goes on."""

FORBIDDEN: Final = 403

DEFAULT_NAMESPACE: Final = "default"


class _Kind(NamedTuple):
    """What the service calls one kind of object."""

    singular: str
    plural: str
    create: type[Any]
    update: type[Any] | None
    lint: type[Any]
    field: str
    model: type[Any]


_KINDS: Final[Mapping[str, _Kind]] = {
    "WorkflowTemplate": _Kind(
        "workflow_template",
        "workflow_templates",
        models.WorkflowTemplateCreateRequest,
        models.WorkflowTemplateUpdateRequest,
        models.WorkflowTemplateLintRequest,
        "template",
        models.WorkflowTemplate,
    ),
    "CronWorkflow": _Kind(
        "cron_workflow",
        "cron_workflows",
        models.CreateCronWorkflowRequest,
        models.UpdateCronWorkflowRequest,
        models.LintCronWorkflowRequest,
        "cron_workflow",
        models.CronWorkflow,
    ),
    "Workflow": _Kind(
        "workflow",
        "workflows",
        models.WorkflowCreateRequest,
        None,
        models.WorkflowLintRequest,
        "workflow",
        models.Workflow,
    ),
}


_ACTIONS: Final[Mapping[Action, tuple[type[Any], str]]] = {
    Action.TERMINATE: (models.WorkflowTerminateRequest, "terminate"),
    Action.STOP: (models.WorkflowStopRequest, "stop"),
    Action.SUSPEND: (models.WorkflowSuspendRequest, "suspend"),
    Action.UNSUSPEND: (models.WorkflowResumeRequest, "resume"),
    Action.RETRY: (models.WorkflowRetryRequest, "retry"),
}
_LIFTED: Final = (Action.TERMINATE, Action.STOP, Action.RETRY)
"""What a suspension must not hold up."""


class ArgoServerApi:
    """The Argo Server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _service(self) -> WorkflowsService:
        host = base_url(self._settings)
        return WorkflowsService(host=host, namespace=self.namespace, session=self._session)

    @cached_property
    def _session(self) -> ArgoSession:
        session = ArgoSession(self._settings)
        weakref.finalize(self, session.close)
        return session

    @property
    def namespace(self) -> str:
        return self._settings.namespace or DEFAULT_NAMESPACE

    @property
    def server(self) -> str:
        return self._settings.argo_server

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        return f"namespace {self.namespace!r} of the Argo Server {self._settings.argo_server}"

    @property
    def _sensors(self) -> Sensors:
        return Sensors(self._session, base_url(self._settings), self.namespace, self.place)

    def lacks_namespace(self) -> bool:
        return False  # an Argo Server tells nothing of namespaces

    def get(self, kind: str, name: str) -> Document | None:
        if kind == "Sensor":
            return self._sensors.get(name)
        call = getattr(self._service, f"get_{_KINDS[kind].singular}")
        return self._unless_missing(f"get {kind} {name!r}", lambda: _plain(call(name), kind))

    def list(self, kind: str, labels: Mapping[str, str | None]) -> Iterator[Document]:
        """All of a kind with these labels; None stands for any value."""
        call = getattr(self._service, f"list_{_KINDS[kind].plural}")
        selector = ",".join(name if value is None else f"{name}={value}" for name, value in labels.items())
        found = self._said(f"list {kind}s", lambda: call(label_selector=selector))
        return (_plain(each, kind) for each in found.items or ())

    def check(self, document: Mapping[str, Any]) -> Document | None:
        """Let the server lint it; what it cannot, a Sensor or a CronWorkflow alone, is refused when it is written."""
        if document["kind"] == "Sensor":
            return None
        if document["kind"] == "CronWorkflow" and not self.get("WorkflowTemplate", document["metadata"]["name"]):
            return None
        return self._write("lint", "check", document, _KINDS[document["kind"]].lint)

    def create(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        if document["kind"] == "Sensor":
            return self._sensors.create(document)
        return self._write("create", "create", document, _KINDS[document["kind"]].create)

    def replace(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if the object is gone, or is not of the resourceVersion that *document* has."""
        if document["kind"] == "Sensor":
            return self._sensors.replace(document)
        request = _KINDS[document["kind"]].update
        assert request is not None, "nothing replaces a Workflow"
        try:
            return self._write("update", "update", document, request, document["metadata"]["name"])
        except BackendError as error:
            if isinstance(error.__cause__, NotFound):
                raise ConflictingWriteError(f"{error}; it was deleted") from error
            raise

    def delete(self, kind: str, name: str, *, is_checked_only: bool = False) -> bool:
        """Whether there was such an object; runs that a CronWorkflow has started stay.

        Whether it may be deleted, the server does not tell beforehand.
        """
        if is_checked_only:
            return self.get(kind, name) is not None
        if kind == "Sensor":
            return self._sensors.delete(name)
        call = getattr(self._service, f"delete_{_KINDS[kind].singular}")
        orphaned = {"propagation_policy": "Orphan"} if kind == "CronWorkflow" else {}
        return self._unless_missing(f"delete {kind} {name!r}", lambda: call(name, **orphaned)) is not None

    def act(self, action: Action, workflow: str) -> Document | None:
        """Do that with a Workflow; None if there is none of that name."""
        try:
            changed = self._do(action, workflow)
        except BackendError:
            # The server is at a loss with a Workflow that is past the action; it says no more than 500.
            found = self.get("Workflow", workflow)
            if found is None or _is_past(action, found):
                return found
            raise
        if changed is not None and action in _LIFTED and changed["spec"].get("suspend"):
            return self._do(Action.UNSUSPEND, workflow)  # its controller does nothing with what is suspended
        return changed

    def _do(self, action: Action, workflow: str) -> Document | None:
        request, name = _ACTIONS[action]
        call = getattr(self._service, f"{name}_workflow")
        asked = request(name=workflow, namespace=self.namespace)
        return self._unless_missing(
            f"{action} Workflow {workflow!r}", lambda: _plain(call(workflow, asked), "Workflow")
        )

    def log(self, workflow: str, pod: str, container: str) -> Iterator[str]:
        """The lines that a container has printed; none if it has not begun, or its pod is gone."""
        parameters = {"podName": pod, "logOptions.container": container}
        what = f"read the log of pod {pod!r}"
        for entry in self._lines(what, f"workflows/{self.namespace}/{workflow}/log", parameters):
            if "result" in entry:
                yield str(entry["result"].get("content", ""))
                continue
            message = str((entry.get("error") or entry).get("message") or "")
            if "cannot get resource" in message:  # all else is of a pod that is not there
                raise refused(what, self.place, FORBIDDEN, message)

    def watch(self, workflow: str) -> Iterator[Document]:
        """A Workflow now and whenever it changed, until it is gone.

        The server's stream of events tells when; what it does not tell, a look now and then does.
        """
        version = ""
        while (found := self.get("Workflow", workflow)) is not None:
            if found["metadata"]["resourceVersion"] != version:
                version = found["metadata"]["resourceVersion"]
                yield found
            for found in self._changes(workflow):
                if found["metadata"]["resourceVersion"] != version:
                    version = found["metadata"]["resourceVersion"]
                    yield found
            time.sleep(LOOK)

    def _changes(self, workflow: str) -> Iterator[Document]:
        """As long as the server tells of some; a proxy in front of it may not let any through."""
        parameters = {"listOptions.fieldSelector": f"metadata.name={workflow}"}
        with suppress(BackendError):  # whatever is wrong, the next look tells
            for entry in self._lines("watch", f"workflow-events/{self.namespace}", parameters):
                result = entry.get("result") or {}
                if result.get("type") not in ("ADDED", "MODIFIED"):
                    return
                yield whole(result["object"], "Workflow")

    def _lines(self, what: str, path: str, parameters: Mapping[str, str]) -> Iterator[Any]:
        try:
            yield from self._session.lines(f"{base_url(self._settings)}api/v1/{path}", parameters, QUIET)
        except (requests.RequestException, ValueError) as error:
            raise unreachable(what, self.place, error) from error

    def _write(self, verb: str, told_as: str, document: Mapping[str, Any], request: type[Any], *name: str) -> Document:
        kind = _KINDS[document["kind"]]
        body = request(**{kind.field: kind.model(**document)}, namespace=self.namespace)
        call = getattr(self._service, f"{verb}_{kind.singular}")
        metadata = document["metadata"]
        what = f"{told_as} {document['kind']} {metadata.get('name') or metadata.get('generateName')!r}"
        return self._said(what, lambda: _plain(call(*name, body), document["kind"]))

    def _said(self, what: str, call: Callable[[], T]) -> T:
        try:
            with warnings.catch_warnings():  # Hera calls pydantic by names that are going out of use
                warnings.simplefilter("ignore", DeprecationWarning)
                return call()
        except HeraException as error:
            raise refused(what, self.place, error.status_code, str(error)) from error
        except requests.RequestException as error:
            raise unreachable(what, self.place, error) from error
        except (TypeError, ValueError) as error:  # JSON, but not what was asked for
            raise unreachable(what, self.place, f"the answer is none of an Argo Server: {error}") from error

    def _unless_missing(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return self._said(what, call)
        except BackendError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise


def _is_past(action: Action, workflow: Document) -> bool:
    """Whether there is nothing left to do: it has ended, or, to be tried again, has not."""
    has_ended = phase_of(workflow).is_final
    return has_ended if action is not Action.RETRY else not has_ended


def _plain(found: Any, kind: str) -> Document:
    return whole(found.model_dump(mode="json", by_alias=True, exclude_none=True), kind)
