"""Where a task finds what it goes on from: the records of its parents, by names that follow from the graph alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from metaflow_hera.errors import StepError
from metaflow_hera.flow.foreach import item_at
from metaflow_hera.flow.scope import ForeachFrame
from metaflow_hera.graph.model import Foreach, Graph, Split
from metaflow_hera.naming import IndexPath, RunKeys, iteration_path
from metaflow_hera.records import tasks
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.task import Frame, TaskRecord
from metaflow_hera.store import Store


@dataclass(frozen=True)
class Place:
    """One task in one run: all that is needed to find its parents."""

    store: Store
    keys: RunKeys
    graph: Graph
    step: str
    path: IndexPath

    @cached_property
    def parents(self) -> tuple[TaskRecord, ...]:
        """The tasks whose results this one gets, branches as written, items by index; empty for the start.

        An iteration gets the one before it, and what follows the last one. `StepError` if a task is missing: nothing is
        run on half of its inputs.
        """
        if self.path.iteration:
            return (self.record_at(self.step, replace(self.path, iteration=self.path.iteration - 1)),)
        if self.step == self.graph.start:
            return ()
        if self.graph[self.step].is_join:
            return self._joined()
        return (self._predecessor(),)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The foreaches around the task, outermost first."""
        if not self.parents:
            return ()
        parent = self.parents[0]
        transition = self.graph[parent.step].transition
        if self.graph[self.step].is_join:
            split = self.graph[self.graph.split_of(self.step)]
            return parent.frames[:-1] if isinstance(split.transition, Foreach) else parent.frames
        if not isinstance(transition, Foreach):
            return parent.frames
        index, count = self.path.indexes[-1], parent.splits or 0
        if index >= count:
            raise StepError(f"step {self.step!r} has no task {self.path}: step {parent.step!r} made {count} items")
        return (*parent.frames, Frame(step=parent.step, over=transition.over, index=index, count=count))

    def record_at(self, step: str, path: IndexPath) -> TaskRecord:
        record = tasks.find(self.store, self.keys, step, str(path))
        if record is None:
            raise self._missing(f"{step}/{path}")
        return record

    def _predecessor(self) -> TaskRecord:
        """The one task that leads here: of the ends of a switch's branches, the one that ran."""
        candidates = self.graph.parents[self.step]
        for step in candidates:
            is_split = isinstance(self.graph[step].transition, Foreach)
            (record,) = self._ended(step, [self.path.parent if is_split else IndexPath(self.path.indexes)])
            if record is not None and self.step in record.next:
                return record
        raise self._missing(" or ".join(f"{step}/{self.path}" for step in candidates))

    def _joined(self) -> tuple[TaskRecord, ...]:
        split = self.graph[self.graph.split_of(self.step)]
        if isinstance(split.transition, Foreach):
            count = self.record_at(split.name, self.path).splits or 0
            return self._arrived([self.path.child(index) for index in range(count)], count)
        assert isinstance(split.transition, Split)
        return self._arrived([self.path], len(split.transition.to))

    def _arrived(self, paths: Sequence[IndexPath], count: int) -> tuple[TaskRecord, ...]:
        """The tasks at *paths*, *count* in all, whose next step is this join."""
        steps = self.graph.parents[self.step]
        columns = [self._ended(step, paths) for step in steps]
        found = [record for row in zip(*columns, strict=True) for record in row if record and self.step in record.next]
        if len(found) != count:
            there = {f"{record.step}/{record.path}" for record in found}
            lacking = [f"{step}/{path}" for path in paths for step in steps if f"{step}/{path}" not in there]
            raise self._missing(f"{count - len(found)} of {count} inputs, among {', '.join(lacking[:5])}")
        return tuple(found)

    def _ended(self, step: str, paths: Sequence[IndexPath]) -> list[TaskRecord | None]:
        """What the tasks of *step* at *paths* left in the end; None for each that has not succeeded, or did not run.

        Where some may not have run, or ran in many iterations, a list tells which to read.
        """
        texts = [str(path) for path in paths]
        if self.graph.repeats(step) or (len(paths) > 1 and len(self.graph.parents[self.step]) > 1):
            last = self._last_iterations(step, paths)
            texts = [last[text] for text in texts if text in last]
        found = tasks.find_all(self.store, self.keys, step, texts)
        by_path = {_without_iteration(record.path): record for record in found if record}
        return [by_path.get(str(path)) for path in paths]

    def _last_iterations(self, step: str, paths: Sequence[IndexPath]) -> dict[str, str]:
        """For each task of a step that began, among others those at *paths*, itself or the last of its iterations."""
        if len(paths) == 1:
            path = str(paths[0])
            last = tasks.last_iteration(self.store, self.keys, step, path)
            return {} if last is None else {path: iteration_path(path, last)}
        within = f"{paths[0].parent}." if len(paths[0].indexes) > 1 else ""
        return {_without_iteration(path): path for path in tasks.paths(self.store, self.keys, step, within)}

    def _missing(self, what: str) -> StepError:
        return StepError(
            f"step {self.step!r}, task {self.path}: no successful task {what} of run {self.keys.run} is in the "
            f"datastore {self.store.uri}"
        )


def _without_iteration(path: str) -> str:
    return path.partition("~")[0]


class Items:
    """The items of foreaches around tasks of one run; what a foreach goes over is read when asked for, once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known = {(record.step, record.path): record for record in place.parents}
        self._read: dict[tuple[str, str], object] = {}

    def frames(self, frames: Sequence[Frame], path: IndexPath) -> tuple[ForeachFrame, ...]:
        """*frames* of the task at *path*, with their items."""
        return tuple(
            ForeachFrame(
                step=frame.step,
                over=frame.over,
                index=frame.index,
                count=frame.count,
                item=partial(self._item, frame, IndexPath(path.indexes[:depth])),
            )
            for depth, frame in enumerate(frames)
        )

    def _item(self, frame: Frame, path: IndexPath) -> object:
        if not frame.over:
            return frame.index  # a gang has no items
        task = frame.step, str(path)
        if task not in self._read:
            record = self._known.get(task) or self._place.record_at(frame.step, path)
            ref = record.artifacts.get(frame.over) or record.parameters[frame.over]
            self._read[task] = load(self._place.store, ref, frame.over)
        return item_at(self._read[task], frame.index)
