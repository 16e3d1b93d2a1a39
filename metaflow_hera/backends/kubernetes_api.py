"""Argo's objects in one namespace of a Kubernetes, by lightkube: dictionaries in and out, errors in sentences."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any, Final, TypeVar

import httpx2
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.types import OnErrorAction, OnErrorResult, PatchType

from metaflow_hera.argo import fixed
from metaflow_hera.backends.kubernetes_errors import is_missing, told
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

Document = dict[str, Any]
T = TypeVar("T")

FIELD_MANAGER: Final = "metaflow-hera"

WATCH_SECONDS: Final = 240
"""How long one request watches: what lies between cuts connections that live longer."""

WATCH_TRIES: Final = 8
"""How often a watch that breaks is begun anew before it is an error; half a minute in all."""

_PLURALS: Final = {"WorkflowTemplate": "workflowtemplates", "CronWorkflow": "cronworkflows", "Workflow": "workflows"}


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

    def create(self, document: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        what = f"create {_called(document)}"
        return self._said(what, lambda: _plain(self._client.create(_typed(document), dry_run=dry_run)))

    def replace(self, document: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """`ConflictingWriteError` if *document* has a resourceVersion that is not the object's any more."""
        what = f"update {_called(document)}"
        return self._said(what, lambda: _plain(self._client.replace(_typed(document), dry_run=dry_run)))

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such an object."""

        def deleted() -> bool:
            self._client.delete(_resource(kind), name)
            return True

        return self._unless_missing(f"delete {kind} {name!r}", deleted) or False

    def patch(self, kind: str, name: str, change: Document) -> Document | None:
        """A merge patch; None if there is no such object."""

        def patched() -> Document:
            return _plain(self._client.patch(_resource(kind), name, change, patch_type=PatchType.MERGE))

        return self._unless_missing(f"patch {kind} {name!r}", patched)

    def watch(self, kind: str, name: str) -> Iterator[Document]:
        """The object now and whenever it changed, until it is gone; a connection that breaks is made anew."""
        events = self._client.watch(
            _resource(kind), fields={"metadata.name": name}, server_timeout=WATCH_SECONDS, on_error=_again
        )
        for event, found in self._each(f"watch {kind} {name!r}", events):
            if event == "DELETED":
                return
            yield _plain(found)

    def _said(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ApiError, httpx2.HTTPError) as error:
            raise told(error, what, self.place) from error

    def _unless_missing(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except (ApiError, httpx2.HTTPError) as error:
            if is_missing(error):
                return None
            raise told(error, what, self.place) from error

    def _each(self, what: str, found: Iterable[T]) -> Iterator[T]:
        try:
            yield from found
        except (ApiError, httpx2.HTTPError) as error:
            raise told(error, what, self.place) from error


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


def _again(error: Exception, count: int) -> OnErrorResult:
    refused = isinstance(error, ApiError) and error.status.code in (401, 403)
    if refused or count >= WATCH_TRIES:
        return OnErrorResult(OnErrorAction.RAISE)
    return OnErrorResult(OnErrorAction.RETRY, sleep=min(2.0 ** (count - 2), 8.0))
