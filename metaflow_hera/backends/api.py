"""What a `ClusterBackend` asks of the API in front of a cluster, Kubernetes' own or the Argo Server's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from metaflow_hera.errors import BackendError

Document = dict[str, Any]
"""A Kubernetes object as JSON has it; its kind is WorkflowTemplate, CronWorkflow, Sensor or Workflow."""


class ConflictingWriteError(BackendError):
    """Somebody else changed the object since it was read, or made one of its name."""


class ArgoApi(Protocol):
    """Argo's objects in one namespace. Errors are `BackendError`: what was tried, where, why not, what to do."""

    @property
    def namespace(self) -> str: ...

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        ...

    def get(self, kind: str, name: str) -> Document | None: ...

    def list(self, kind: str, labels: Mapping[str, str | None]) -> Iterator[Document]:
        """All of a kind with these labels; None stands for any value."""
        ...

    def check(self, document: Mapping[str, Any]) -> None:
        """Raise what `create` would raise for the object's content; nothing is written."""
        ...

    def create(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        ...

    def replace(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if the object is gone, or is not of the resourceVersion that *document* has."""
        ...

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was such an object."""
        ...

    def terminate(self, workflow: str) -> Document | None:
        """End a Workflow now, without its exit handler; None if there is none of that name."""
        ...

    def watch(self, workflow: str) -> Iterator[Document]:
        """A Workflow now and whenever it changed, until it is gone."""
        ...
