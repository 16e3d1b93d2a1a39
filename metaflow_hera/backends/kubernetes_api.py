"""Argo's objects in one namespace of a Kubernetes, by lightkube: dictionaries in and out, errors in sentences."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from json import JSONDecodeError
from typing import Any, Final, TypeVar

import httpx2
from lightkube import Client
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.resources.core_v1 import Namespace, Pod
from lightkube.types import CascadeType, OnErrorAction, OnErrorResult, PatchType

from metaflow_hera.argo import fixed
from metaflow_hera.backends import Action
from metaflow_hera.backends.api import ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import missing_kind, no_credentials, refused, unreachable
from metaflow_hera.backends.argo_objects import phase_of
from metaflow_hera.backends.kubeconfig import cluster_access
from metaflow_hera.backends.retrying import retried
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

T = TypeVar("T")

FIELD_MANAGER: Final = "metaflow-hera"

WATCH_SECONDS: Final = 240
"""How long one request watches: what lies between cuts connections that live longer."""

WATCH_TRIES: Final = 8
"""How often a watch that breaks is begun anew before it is an error; half a minute in all."""

_FAILURES: Final = (ApiError, httpx2.HTTPError, ConfigError, OSError, JSONDecodeError, KeyError)
"""What a request may end with; all but the first two come from programs and files that give credentials."""

RETRY_TRIES: Final = 20
"""How often others may change a Workflow that is to be tried again."""

PODS_GONE: Final = 60.0
"""Seconds that pods may take to go; their grace is half of that."""

LOOK: Final = 0.3
WORKFLOW_LABEL: Final = "workflows.argoproj.io/workflow"
NODE_ID: Final = "workflows.argoproj.io/node-id"

_CHANGES: Final[Mapping[Action, Mapping[str, Any]]] = {
    # The controller ends nothing of what is suspended.
    Action.TERMINATE: {"shutdown": "Terminate", "suspend": None},
    Action.STOP: {"shutdown": "Stop", "suspend": None},
    Action.SUSPEND: {"suspend": True},
    Action.UNSUSPEND: {"suspend": None},
}


class KubernetesApi:
    """The API server of the settings' context, connected to when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Client:
        access = cluster_access(self._settings)
        timeout = httpx2.Timeout(30.0, connect=5.0, read=WATCH_SECONDS + 60.0)
        try:
            client = Client(
                access.config,
                namespace=self._settings.namespace or None,
                timeout=timeout,
                field_manager=FIELD_MANAGER,
                transport=access.transport(),
            )
        except (ConfigError, OSError, ValueError) as error:  # certificates that are not there, or are none
            raise no_credentials("connect", access.config.cluster.server, error) from error
        weakref.finalize(self, client.close)  # nobody has to close a backend
        return client

    @property
    def namespace(self) -> str:
        return str(self._client.namespace)

    @property
    def server(self) -> str:
        return str(self._client.config.cluster.server)

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        return f"namespace {self.namespace!r} of {self.server}"

    def lacks_namespace(self) -> bool:
        try:
            self._client.get(Namespace, self.namespace)
        except _FAILURES as error:  # who may not look at namespaces themselves may still be in one
            return isinstance(error, ApiError) and error.status.code == 404
        return False

    def get(self, kind: str, name: str) -> Document | None:
        return self._unless_missing(f"get {kind} {name!r}", lambda: _plain(self._client.get(_resource(kind), name)))

    def list(self, kind: str, labels: Mapping[str, str | None]) -> Iterator[Document]:
        """All of a kind with these labels; None stands for any value."""
        found = self._client.list(_resource(kind), labels=dict(labels), chunk_size=200)
        return map(_plain, self._each(f"list {kind}s", found))

    def check(self, document: Mapping[str, Any]) -> Document | None:
        """Let the server validate it and say whether it may be written, as what it would keep."""
        try:
            return self._write(document, is_checked_only=True)
        except ConflictingWriteError:
            return None

    def create(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        return self._write(document)

    def replace(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if the object is gone, or is not of the resourceVersion that *document* has."""
        return self._write(document)

    def _write(self, document: Mapping[str, Any], *, is_checked_only: bool = False) -> Document:
        """Replace what has a version, create what has none."""
        client, typed = self._client, _typed(document)
        if "resourceVersion" not in document["metadata"]:
            what = f"create {_called(document)}"
            return self._said(what, lambda: _plain(client.create(typed, dry_run=is_checked_only)))
        what = f"update {_called(document)}"
        replaced = self._unless_missing(what, lambda: _plain(client.replace(typed, dry_run=is_checked_only)))
        if replaced is None:
            raise ConflictingWriteError(f"cannot {what}: it was deleted")
        return replaced

    def delete(self, kind: str, name: str, *, is_checked_only: bool = False) -> bool:
        """Whether there was such an object; runs that a CronWorkflow has started stay."""
        cascade = CascadeType.ORPHAN if kind == "CronWorkflow" else None

        def deleted() -> bool:
            self._client.delete(_resource(kind), name, cascade=cascade, dry_run=is_checked_only)
            return True

        return self._unless_missing(f"delete {kind} {name!r}", deleted) or False

    def act(self, action: Action, workflow: str) -> Document | None:
        """Do that with a Workflow; None if there is none of that name."""
        if action is Action.RETRY:
            return self._retry(workflow)

        def patched() -> Document:
            change = {"spec": _CHANGES[action]}
            return _plain(self._client.patch(_resource("Workflow"), workflow, change, patch_type=PatchType.MERGE))

        return self._unless_missing(f"{action} Workflow {workflow!r}", patched)

    def _retry(self, workflow: str) -> Document | None:
        """As Argo's server does: first the pods go, then the Workflow is written, so whoever dies can begin anew."""
        for _ in range(RETRY_TRIES):
            found = self.get("Workflow", workflow)
            if found is None or not phase_of(found).is_bad:
                return found
            again = retried(found, datetime.now(UTC))
            self._remove_pods(workflow, again.pods)
            try:
                return self.replace(again.workflow)
            except ConflictingWriteError:
                continue  # somebody labelled it, or was faster
        raise BackendError(f"Workflow {workflow!r} is changed again and again; try it again")

    def _remove_pods(self, workflow: str, nodes: frozenset[str]) -> None:
        """Delete the pods of these nodes and wait until they are gone: what is made anew has their names."""
        what = f"delete pods of Workflow {workflow!r}"
        until = time.monotonic() + PODS_GONE
        while wanted := list(self._pods_of(workflow, nodes)):
            for name in wanted:
                self._unless_missing(what, lambda name=name: self._client.delete(Pod, name))  # type: ignore[misc]
            if time.monotonic() > until:
                raise BackendError(f"cannot {what}: {', '.join(wanted[:5])} are still there; try it again in a while")
            time.sleep(LOOK)

    def _pods_of(self, workflow: str, nodes: frozenset[str]) -> Iterator[str]:
        found = self._client.list(Pod, labels={WORKFLOW_LABEL: workflow}, chunk_size=200)
        for pod in self._each(f"list pods of Workflow {workflow!r}", found):
            metadata = pod.metadata
            if metadata and metadata.name and (metadata.annotations or {}).get(NODE_ID) in nodes:
                yield metadata.name

    def log(self, workflow: str, pod: str, container: str) -> Iterator[str]:
        """The lines that a container has printed; none if it has not begun, or its pod is gone."""
        try:
            yield from (line.removesuffix("\n") for line in self._client.log(pod, container=container))
        except _FAILURES as error:
            if not (isinstance(error, ApiError) and error.status.code in (400, 404)):
                raise self._told(error, f"read the log of pod {pod!r}") from error

    def watch(self, workflow: str) -> Iterator[Document]:
        """A Workflow now and whenever it changed, until it is gone; a connection that breaks is made anew."""
        events = self._client.watch(
            _resource("Workflow"), fields={"metadata.name": workflow}, server_timeout=WATCH_SECONDS, on_error=_again
        )
        for event, found in self._each(f"watch Workflow {workflow!r}", events):
            if event == "DELETED":
                return
            yield _plain(found)

    def _said(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except _FAILURES as error:
            raise self._told(error, what) from error

    def _unless_missing(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except _FAILURES as error:
            if _is_missing(error):
                return None
            raise self._told(error, what) from error

    def _each(self, what: str, found: Iterable[T]) -> Iterator[T]:
        try:
            yield from found
        except _FAILURES as error:
            raise self._told(error, what) from error

    def _told(self, error: Exception, what: str) -> BackendError:
        if isinstance(error, ApiError):
            return refused(what, self.place, error.status.code or 0, _message(error))
        if isinstance(error, httpx2.HTTPStatusError):  # not in Kubernetes' words: a watch, a kind it has not, a proxy
            code = error.response.status_code
            return (
                missing_kind(what, self.place)
                if code == 404
                else refused(what, self.place, code, _body(error.response))
            )
        if isinstance(error, httpx2.HTTPError):
            return unreachable(what, self.place, str(error) or type(error).__name__)
        return no_credentials(what, self.place, str(error) or type(error).__name__)


@cache
def _resource(kind: str) -> type[GenericNamespacedResource]:
    group, _, version = fixed.API_VERSION.partition("/")
    return create_namespaced_resource(group, version, kind, f"{kind.lower()}s")


def _typed(document: Mapping[str, Any]) -> Any:
    return _resource(document["kind"]).from_dict(dict(document))


def _plain(found: Any) -> Document:
    return dict(found.to_dict())


def _called(document: Mapping[str, Any]) -> str:
    metadata = document["metadata"]
    return f"{document['kind']} {metadata.get('name') or metadata.get('generateName')!r}"


def _is_missing(error: Exception) -> bool:
    """Whether it says that there is no such object, where its kind and its namespace are known."""
    if not isinstance(error, ApiError) or error.status.code != 404:
        return False
    details = error.status.details
    return details is not None and bool(details.name) and details.kind != "namespaces"


def _message(error: ApiError) -> str:
    """All causes, where the server lists them."""
    details = error.status.details
    causes = [f"{cause.field}: {cause.message}" for cause in (details.causes or ()) if cause.message] if details else []
    return "; ".join(causes) or str(error.status.message or error)


def _body(response: httpx2.Response) -> str:
    """What the server said, in its own words if it is Kubernetes."""
    try:
        text = response.read().decode(errors="replace")
    except httpx2.HTTPError:
        return response.reason_phrase
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or response.reason_phrase


def _again(error: Exception, count: int) -> OnErrorResult:
    code = error.status.code if isinstance(error, ApiError) else None
    if isinstance(error, httpx2.HTTPStatusError):
        code = error.response.status_code
    if code in (401, 403) or count >= WATCH_TRIES:
        return OnErrorResult(OnErrorAction.RAISE)
    return OnErrorResult(OnErrorAction.RETRY, sleep=min(2.0 ** (count - 2), 8.0))
