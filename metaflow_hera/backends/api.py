"""What a `ClusterBackend` asks of the API in front of a cluster, Kubernetes' own or the Argo Server's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from metaflow_hera.backends import Action
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
    def server(self) -> str:
        """The URL of what answers."""
        ...

    @property
    def place(self) -> str:
        """For messages: where objects are looked for."""
        ...

    def lacks_namespace(self) -> bool:
        """Whether there certainly is no such namespace; False where that cannot be known."""
        ...

    def get(self, kind: str, name: str) -> Document | None: ...

    def list(self, kind: str, labels: Mapping[str, str | None]) -> Iterator[Document]:
        """All of a kind with these labels; None stands for any value."""
        ...

    def check(self, document: Mapping[str, Any]) -> Document | None:
        """Raise what `create` would raise, or `replace` for one with a resourceVersion, as far as can be known.

        Nothing is written. What would be kept of it, if that is known.
        """
        ...

    def create(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if there is one of its name."""
        ...

    def replace(self, document: Mapping[str, Any]) -> Document:
        """`ConflictingWriteError` if the object is gone, or is not of the resourceVersion that *document* has."""
        ...

    def delete(self, kind: str, name: str, *, is_checked_only: bool = False) -> bool:
        """Whether there was such an object; if it is only checked whether that may be deleted, it stays."""
        ...

    def act(self, action: Action, workflow: str) -> Document | None:
        """Do that with a Workflow that has not ended, or for RETRY ended badly; None if there is none of that name.

        If it came to be otherwise in the meantime, nothing happens.
        """
        ...

    def log(self, workflow: str, pod: str, container: str) -> Iterator[str]:
        """The lines that a container has printed; none if it has not begun, or its pod is gone."""
        ...

    def watch(self, workflow: str) -> Iterator[Document]:
        """A Workflow now and whenever it changed, until it is gone."""
        ...
