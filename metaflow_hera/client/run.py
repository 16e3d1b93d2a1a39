"""Runs: how they stand, what they left, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, cast

from metaflow_hera.client.artifact import MetaflowData
from metaflow_hera.client.code import MetaflowCode
from metaflow_hera.client.objects import OfRun, local_time, nearest
from metaflow_hera.client.step import Step
from metaflow_hera.client.task import Task
from metaflow_hera.errors import NotFoundError
from metaflow_hera.records import runs, tags, tasks
from metaflow_hera.records.run import EndRecord
from metaflow_hera.records.task import Failure
from metaflow_hera.store.parallel import each

if TYPE_CHECKING:
    from metaflow_hera.client.flow import Flow
    from metaflow_hera.client.trigger import Trigger

_NEAR = 20


class Run(OfRun[Step], depth=2):
    """A run of a flow, from its first task on."""

    @property
    def parent(self) -> Flow:
        return cast("Flow", self._parent)

    @property
    def created_at(self) -> datetime:
        return local_time(self._run.created)

    @property
    def status(self) -> str:
        """``Running``, ``Succeeded``, or the word for how it failed."""
        end = self._end
        return end.status if end else runs.RUNNING

    @property
    def finished(self) -> bool:
        """Whether it ended, well or not."""
        return self._end is not None

    @property
    def successful(self) -> bool:
        return self.status == runs.SUCCEEDED

    @property
    def finished_at(self) -> datetime | None:
        end = self._end
        return local_time(end.finished) if end else None

    @property
    def end_task(self) -> Task | None:
        """The task of the last step; None if it has not succeeded."""
        end = str(self._run.graph.get("end", "end"))
        record = tasks.find(self._store, self._keys, end, "0")
        return Task._at(self._store, (*self._parts, end, "0"), checks=self._checks) if record else None

    @property
    def data(self) -> MetaflowData | None:
        """The artifacts of the last step; None if it has not succeeded."""
        task = self.end_task
        return task.data if task else None

    @property
    def failed_tasks(self) -> list[Task]:
        """The tasks of which no attempt succeeded, the first to begin first.

        While the run goes on, some may be tried again; when it has ended, a task that died without a word is one.
        """
        found = each(self._store, self._failed, list(self._places()))
        return [task for _, task in sorted(filter(None, found), key=lambda pair: pair[0])]

    @property
    def exception(self) -> Failure | None:
        """Why the run failed: what the first of its failed tasks raised, or what ended the run."""
        end = self._end
        if end is None or end.status == runs.SUCCEEDED:
            return None
        raised = (task.exception for task in self.failed_tasks)
        told = Failure(type=end.status, text=end.message or "no task has told why", traceback="")
        return next((failure for failure in raised if failure), told)

    @property
    def code(self) -> MetaflowCode | None:
        """The code package that its tasks ran; None if they ran the files themselves."""
        key = self._run.code
        return MetaflowCode(self._store, key, self._run.file) if key else None

    @property
    def trigger(self) -> Trigger | None:
        """The events that started it, None if a person or a schedule did."""
        if not self._run.triggers:
            return None
        from metaflow_hera.client.trigger import Trigger  # which has runs itself, and few runs have

        return Trigger(self._run.triggers, self._store)

    def steps(self, *tags: str) -> Iterator[Step]:
        """Its steps, if it has all of the tags."""
        return iter(self) if not tags or frozenset(tags) <= self.tags else iter(())

    def add_tag(self, tag: str) -> None:
        self.replace_tags((), (tag,))

    def add_tags(self, tags: Iterable[str]) -> None:
        self.replace_tags((), tags)

    def remove_tag(self, tag: str) -> None:
        self.replace_tags((tag,), ())

    def remove_tags(self, tags: Iterable[str]) -> None:
        self.replace_tags(tags, ())

    def replace_tag(self, tag_to_remove: str, tag_to_add: str) -> None:
        self.replace_tags((tag_to_remove,), (tag_to_add,))

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Remove tags and add others, as one change."""
        tags.edit(self._store, self._keys, add=tags_to_add, remove=tags_to_remove)

    @property
    def _end(self) -> EndRecord | None:
        return runs.read_end(self._store, *self._parts)

    def _ids(self) -> list[str]:
        """The steps that began, the last to begin first."""
        names = tasks.steps(self._store, self._keys)
        began = each(self._store, lambda name: Step._at(self._store, (*self._parts, name)).created_at, names)
        return [name for _, name in sorted(zip(began, names, strict=True), reverse=True)]

    def _places(self) -> Iterator[tuple[str, str]]:
        """Step and index path of every task that began."""
        steps = tasks.steps(self._store, self._keys)
        listed = each(self._store, lambda step: tasks.paths(self._store, self._keys, step), steps)
        for step, paths in zip(steps, listed, strict=True):
            yield from ((step, path) for path in paths)

    def _failed(self, place: tuple[str, str]) -> tuple[float, Task] | None:
        if tasks.find(self._store, self._keys, *place):
            return None
        found = tasks.attempts(self._store, self._keys, *place)
        if not found or (found[-1][2] is None and not self.finished):
            return None
        return found[-1][1].started, Task._at(self._store, (*self._parts, *place))

    def _check_exists(self) -> None:
        if runs.read(self._store, *self._parts) is None:
            flow, run = self._parts
            near = list(islice(runs.run_ids(self._store, flow), _NEAR))
            flows = f"{flow} never ran there; {nearest(flow, runs.flows(self._store), 'flows')}"
            known = nearest(run, near, f"the latest runs of {flow}") if near else flows
            raise NotFoundError(f"there is no {self!r} in {self._store.uri}: {known}")

    def _repr_html_(self) -> str:
        from metaflow_hera.client.displays import run_html  # pictures, for notebooks only

        return run_html(self)
