"""Argo's objects in one namespace of a Kubernetes, by lightkube: dictionaries in and out, errors in sentences."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, Final, TypeVar

import httpx2
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.types import OnErrorAction, OnErrorResult, PatchType

from metaflow_hera.argo import fixed
from metaflow_hera.backends.api import ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refused, unreachable
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

T = TypeVar("T")

FIELD_MANAGER: Final = "metaflow-hera"

WATCH_SECONDS: Final = 240
"""How long one request watches: what lies between cuts connections that live longer."""

WATCH_TRIES: Final = 8
"""How often a watch that breaks is begun anew before it is an error; half a minute in all."""

_PLURALS: Final = {
    "WorkflowTemplate": "workflowtemplates",
    "CronWorkflow": "cronworkflows",
    "Sensor": "sensors",
    "Workflow": "workflows",
}


class KubernetesApi:
    """The API server of the settings' context, connected to when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Client:
        try:
            config = KubeConfig.from_env().get(self._settings.kube_context or None)
        except (ConfigError, OSError, KeyError, ValueError) as error:
            raise BackendError(
                f"there is no Kubernetes to talk to: {error}; set KUBECONFIG, choose a context with "
                "MFHERA_KUBE_CONTEXT, or use the backend 'embedded'"
            ) from error
        timeout = httpx2.Timeout(30.0, connect=5.0, read=WATCH_SECONDS + 60.0)
        client = Client(
            config, namespace=self._settings.namespace or None, timeout=timeout, field_manager=FIELD_MANAGER
        )
        weakref.finalize(self, client.close)  # nobody has to close a backend
        return client

    @property
    def namespace(self) -> str:
        return str(self._client.namespace)

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        return f"namespace {self.namespace!r} of {self._client.config.cluster.server}"

    def get(self, kind: str, name: str) -> Document | None:
        return self._unless_missing(f"get {kind} {name!r}", lambda: _plain(self._client.get(_resource(kind), name)))

    def list(self, kind: str, labels: Mapping[str, str | None]) -> Iterator[Document]:
        """All of a kind with these labels; None stands for any value."""
        found = self._client.list(_resource(kind), labels=dict(labels), chunk_size=200)
        return map(_plain, self._each(f"list {kind}s", found))

    def check(self, document: Mapping[str, Any]) -> None:
        """Let the server validate it, and see whether it may be written; of a name that is taken nothing is said."""
        with suppress(ConflictingWriteError):
            self._said(f"create {_called(document)}", lambda: self._client.create(_typed(document), dry_run=True))

    def create(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        return self._said(f"create {_called(document)}", lambda: _plain(self._client.create(_typed(document))))

    def replace(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if the object is gone, or is not of the resourceVersion that *document* has."""
        what = f"update {_called(document)}"
        replaced = self._unless_missing(what, lambda: _plain(self._client.replace(_typed(document))))
        if replaced is None:
            raise ConflictingWriteError(f"cannot {what}: it was deleted")
        return replaced

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such an object."""

        def deleted() -> bool:
            self._client.delete(_resource(kind), name)
            return True

        return self._unless_missing(f"delete {kind} {name!r}", deleted) or False

    def terminate(self, workflow: str) -> Document | None:
        """End a Workflow now, without its exit handler; None if there is none of that name."""

        def patched() -> Document:
            change = {"spec": {"shutdown": "Terminate"}}
            return _plain(self._client.patch(_resource("Workflow"), workflow, change, patch_type=PatchType.MERGE))

        return self._unless_missing(f"terminate Workflow {workflow!r}", patched)

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
        except (ApiError, httpx2.HTTPError) as error:
            raise self._told(error, what) from error

    def _unless_missing(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except (ApiError, httpx2.HTTPError) as error:
            if _is_missing(error):
                return None
            raise self._told(error, what) from error

    def _each(self, what: str, found: Iterable[T]) -> Iterator[T]:
        try:
            yield from found
        except (ApiError, httpx2.HTTPError) as error:
            raise self._told(error, what) from error

    def _told(self, error: ApiError | httpx2.HTTPError, what: str) -> BackendError:
        if isinstance(error, ApiError):
            return refused(what, self.place, error.status.code or 0, _message(error))
        return unreachable(what, self.place, str(error) or type(error).__name__)


@cache
def _resource(kind: str) -> type[GenericNamespacedResource]:
    group, _, version = fixed.API_VERSION.partition("/")
    return create_namespaced_resource(group, version, kind, _PLURALS[kind])


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


def _again(error: Exception, count: int) -> OnErrorResult:
    refused = isinstance(error, ApiError) and error.status.code in (401, 403)
    if refused or count >= WATCH_TRIES:
        return OnErrorResult(OnErrorAction.RAISE)
    return OnErrorResult(OnErrorAction.RETRY, sleep=min(2.0 ** (count - 2), 8.0))
