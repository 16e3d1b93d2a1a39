"""Steps of a run: their tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, cast

from metaflow_hera.client.beginning import BEGINNING, BEGINNING_PATH
from metaflow_hera.client.facts import environment_of
from metaflow_hera.client.objects import OfRun, local_time, nearest
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
    def control_task(self) -> Task | None:
        """Of a gang, its first task, or one of them; None if the step is none."""
        return next(self.control_tasks(), None)

    def control_tasks(self, *tags: str) -> Iterator[Task]:
        """The first task of each gang of the step, if the run has all of the tags."""
        return (task for task in self.tasks(*tags) if task._is_control)

    @property
    def parent_steps(self) -> Iterator[Step]:
        """The steps that lead here, of those that began."""
        return self._began(self._graph.parents[self.id] if self._is_in_graph else ())

    @property
    def child_steps(self) -> Iterator[Step]:
        """The steps that come next, of those that began."""
        targets = self._graph[self.id].targets if self._is_in_graph else ()
        return self._began(tuple(target for target in targets if target != self.id))

    @property
    def environment_info(self) -> dict[str, str]:
        """In what its run ran."""
        return dict(environment_of(self._run))

    @property
    def created_at(self) -> datetime:
        """When its first task began."""
        if self._is_virtual:
            return local_time(self._run.created)
        first = tasks.paths(self._store, self._keys, self.id)[0]
        return self._child(first).attempts[0].created_at

    @property
    def finished_at(self) -> datetime | None:
        """When its last task ended; None while one runs."""
        ends = each(self._store, lambda task: task.finished_at, list(self))
        return max(end for end in ends if end is not None) if None not in ends else None

    @property
    def _is_virtual(self) -> bool:
        return self.id == BEGINNING

    @property
    def _is_in_graph(self) -> bool:
        return bool(self._run.graph) and self.id in self._graph.steps

    def _began(self, names: tuple[str, ...]) -> Iterator[Step]:
        there = frozenset(tasks.steps(self._store, self._keys))
        return (self.parent._child(name) for name in names if name in there)

    def _ids(self) -> list[str]:
        if self._is_virtual:
            return [BEGINNING_PATH]
        return tasks.paths(self._store, self._keys, self.id)[::-1]

    def _check_exists(self) -> None:
        if self._is_virtual:
            return self.parent._check_exists()
        prefix = self._keys.step_prefix(self.id)
        if next(self._store.keys(prefix), None) is None:
            self.parent._check_exists()
            there = tasks.steps(self._store, self._keys)
            raise NotFoundError(f"there is no {self!r}: {nearest(self.id, there, 'steps that began')}")

    def _repr_html_(self) -> str:
        from metaflow_hera.client.displays import step_html  # pictures, for notebooks only

        return step_html(self)
