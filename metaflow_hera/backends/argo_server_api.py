"""Argo's objects through the Argo Server, by Hera's service; what that lacks is added: time-outs, retries, a base path,
errors that say what was tried, and watching.
"""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar

import requests
from hera.exceptions import HeraException, NotFound
from hera.workflows import WorkflowsService, models
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from metaflow_hera.backends.api import ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refused, unreachable
from metaflow_hera.backends.argo_server_sensors import Sensors
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

T = TypeVar("T")

TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect, and to wait for each piece of an answer."""

RETRIES: Final = Retry(
    total=4, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=("GET", "PUT", "DELETE")
)
"""For a server that restarts; a POST is not repeated, for it may have been heard."""

LOOK: Final = 1.0
"""Seconds between two looks at a Workflow that is watched."""

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


class _Patient(requests.Session):
    """A session that waits for no answer forever."""

    def request(self, *args: Any, **options: Any) -> requests.Response:
        return super().request(*args, **{"timeout": TIMEOUT, **options})


class ArgoServerApi:
    """The Argo Server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _service(self) -> WorkflowsService:
        url = self._settings.argo_server
        if not url:
            raise BackendError(
                "the backend 'argo' needs the URL of an Argo Server; set MFHERA_ARGO_SERVER, for example to "
                "https://argo.example.org"
            )
        session = _Patient()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        weakref.finalize(self, session.close)
        # Hera drops the last part of a base path that does not end with a slash.
        host = f"{url if '://' in url else f'https://{url}'}".rstrip("/") + "/"
        return WorkflowsService(
            host=host, token=self._settings.argo_token or None, namespace=self.namespace, session=session
        )

    @property
    def namespace(self) -> str:
        return self._settings.namespace or DEFAULT_NAMESPACE

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        return f"namespace {self.namespace!r} of the Argo Server {self._settings.argo_server}"

    @property
    def _sensors(self) -> Sensors:
        return Sensors(self._service, self.namespace, self.place)

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

    def check(self, document: Mapping[str, Any]) -> None:
        """Let the server lint it; what it cannot, a Sensor or a CronWorkflow alone, is refused when it is written."""
        if document["kind"] == "Sensor":
            return
        if document["kind"] != "CronWorkflow" or self.get("WorkflowTemplate", document["metadata"]["name"]):
            self._write("lint", "check", document, _KINDS[document["kind"]].lint)

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

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such an object."""
        if kind == "Sensor":
            return self._sensors.delete(name)
        call = getattr(self._service, f"delete_{_KINDS[kind].singular}")
        return self._unless_missing(f"delete {kind} {name!r}", lambda: call(name)) is not None

    def terminate(self, workflow: str) -> Document | None:
        """End a Workflow now, without its exit handler; None if there is none of that name."""
        request = models.WorkflowTerminateRequest(name=workflow, namespace=self.namespace)
        return self._unless_missing(
            f"terminate Workflow {workflow!r}",
            lambda: _plain(self._service.terminate_workflow(workflow, request), "Workflow"),
        )

    def watch(self, workflow: str) -> Iterator[Document]:
        """A Workflow now and whenever it changed, until it is gone; the service has no watch, so it is looked at."""
        version = ""
        while (found := self.get("Workflow", workflow)) is not None:
            if found["metadata"]["resourceVersion"] != version:
                version = found["metadata"]["resourceVersion"]
                yield found
            time.sleep(LOOK)

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

    def _unless_missing(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return self._said(what, call)
        except BackendError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise


def _plain(found: Any, kind: str) -> Document:
    document: Document = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, **document}
