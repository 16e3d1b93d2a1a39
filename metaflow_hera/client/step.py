"""Steps of a run: their tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, cast

from metaflow_hera.client.objects import OfRun, nearest
from metaflow_hera.client.task import Task
from metaflow_hera.errors import NotFoundError
from metaflow_hera.records import tasks
from metaflow_hera.store.parallel import each

if TYPE_CHECKING:
    from metaflow_hera.client.run import Run


class Step(OfRun[Task], depth=3):
    """A step of a run that has begun; the tasks of a foreach come with the last item first."""

    @property
    def parent(self) -> Run:
        return cast("Run", self._parent)

    @property
    def task(self) -> Task:
        """Its only task, or one of them."""
        return next(iter(self))

    def tasks(self, *tags: str) -> Iterator[Task]:
        """Its tasks, if the run has all of the tags."""
        return iter(self) if not tags or frozenset(tags) <= self.tags else iter(())

    @property
    def created_at(self) -> datetime:
        """When its first task began."""
        first = tasks.paths(self._store, self._keys, self.id)[0]
        return self._child(first).attempts[0].created_at

    @property
    def finished_at(self) -> datetime | None:
        """When its last task ended; None while one runs."""
        ends = each(self._store, lambda task: task.finished_at, list(self))
        return max(end for end in ends if end is not None) if None not in ends else None

    def _ids(self) -> list[str]:
        return tasks.paths(self._store, self._keys, self.id)[::-1]

    def _check_exists(self) -> None:
        prefix = self._keys.step_prefix(self.id)
        if next(self._store.keys(prefix), None) is None:
            self.parent._check_exists()
            there = tasks.steps(self._store, self._keys)
            raise NotFoundError(f"there is no {self!r}: {nearest(self.id, there, 'steps that began')}")
