"""Artifacts: one with what is known about it, or the values of all by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from metaflow_hera.client.objects import ClientObject, OfRun, local_time, nearest
from metaflow_hera.errors import NotFoundError
from metaflow_hera.naming import pathspec
from metaflow_hera.records.artifacts import identity, load
from metaflow_hera.records.values import Ref

if TYPE_CHECKING:
    from metaflow_hera.client.task import Task


class DataArtifact(OfRun[ClientObject[Any]], depth=5):
    """A value that a task left, or handed on."""

    _task: Task | None = None
    """The object that it was taken from, which has read its record already."""

    @property
    def parent(self) -> Task:
        return self._task or cast("Task", self._parent)

    @property
    def origin_pathspec(self) -> str | None:
        """Of an artifact of a task that was taken over: the same one there."""
        task = self.parent.origin_pathspec
        return None if task is None else pathspec(task, self.id)

    @property
    def data(self) -> object:
        """The value; large arrays are read when they are looked at."""
        return load(self._store, self._ref, self.id)

    @property
    def size(self) -> int:
        """Bytes of its stored form."""
        return self._ref.size

    @property
    def type(self) -> str:
        """The class of the value, by name: known without reading it."""
        return self._ref.type

    @property
    def sha(self) -> str:
        """The same for equal stored forms."""
        return identity(self._ref)

    @property
    def created_at(self) -> datetime:
        return self.finished_at

    @property
    def finished_at(self) -> datetime:
        record = self.parent.record
        assert record is not None, "an artifact is of a task with a record"
        return local_time(record.finished)

    @property
    def _ref(self) -> Ref:
        refs = self.parent.refs
        if self.id not in refs:
            raise NotFoundError(
                f"{self.parent!r} has no artifact {self.id!r}: {nearest(self.id, refs, 'its artifacts')}"
            )
        return refs[self.id]

    def _check_exists(self) -> None:
        self.parent._check_exists()
        assert self._ref

    def _ids(self) -> tuple[str, ...]:
        return ()


class MetaflowData:
    """The values of a task's artifacts as attributes, each read when first asked for.

    Values do not change, so one object may be kept; a step that runs again leaves another.
    """

    def __init__(self, task: Task, refs: Mapping[str, Ref]) -> None:
        self._task = task
        self._refs = refs

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name not in self._refs:
            raise AttributeError(
                f"{self._task!r} has no artifact {name!r}: {nearest(name, self._refs, 'its artifacts')}"
            )
        value = load(self._task._store, self._refs[name], name)
        self.__dict__[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._refs

    def __dir__(self) -> list[str]:
        return sorted(self._refs)

    def __repr__(self) -> str:
        return f"<MetaflowData: {', '.join(dir(self))}>"


class MetaflowArtifacts:
    """The artifacts of a task as attributes and in turn, none of them read."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._names = tuple(task._ids())

    def __getattr__(self, name: str) -> DataArtifact:
        try:
            return self._task[name]
        except NotFoundError as error:
            raise AttributeError(str(error)) from error

    def __iter__(self) -> Iterator[DataArtifact]:
        return iter(self._task)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._task

    def __dir__(self) -> list[str]:
        return sorted(self._names)

    def __repr__(self) -> str:
        return f"<MetaflowArtifacts: {', '.join(dir(self))}>"
