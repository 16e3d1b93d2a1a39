"""What a run takes over from the one that it resumes: tasks that succeeded, as records of its own.

No data is copied: values lie in the record, or under names that follow from their content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Split, Switch, Transition
from metaflow_hera.naming import IndexPath, RunKeys, pathspec
from metaflow_hera.plan.pruning import Done
from metaflow_hera.records import tasks
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.tasks import path_order
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.execution import outputs_of
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each


@dataclass(frozen=True, kw_only=True)
class Cloning:
    """From which run to take what, and which steps of the flow as it is now may be taken at all."""

    store: Store
    origin: RunKeys
    graph: Graph
    steps: tuple[str, ...]

    def write(self, taken: Iterable[TaskRecord], run: str, fixed: Mapping[str, Ref]) -> None:
        """Write clones of what is *taken* as tasks of *run*, whose parameters and constants are *fixed*."""
        keys = RunKeys(self.origin.flow, run)
        clones = [self._clone(record, fixed) for record in taken]
        each(self.store, lambda clone: tasks.write(self.store, keys, clone), clones)

    def taken(self) -> Iterator[TaskRecord]:
        """The records of tasks that succeeded and go on from what is taken over itself, in an order in which they ran.

        Of a gang all or none: its tasks run at the same time.
        """
        known: set[str] = set()
        found = self._succeeded()
        for step in self.steps:
            chosen = [record for record in found.get(step, ()) if self._leads_on(record)]
            if self._is_gang(step):
                chosen = list(_whole_gangs(chosen))
            for record in chosen:
                if all(parent.rpartition("/")[0] in known for parent in record.parents):
                    known.add(pathspec(step, record.path))
                    yield record

    def _succeeded(self) -> dict[str, list[TaskRecord]]:
        """The successful tasks of each step, an iteration after the one before it."""
        listed = each(self.store, lambda step: tasks.paths(self.store, self.origin, step), self.steps)
        places = [(step, path) for step, paths in zip(self.steps, listed, strict=True) for path in paths]
        records = each(self.store, lambda place: tasks.find(self.store, self.origin, *place), places)
        found: dict[str, list[TaskRecord]] = {}
        for record in filter(None, records):
            found.setdefault(record.step, []).append(record)
        return {step: sorted(of_step, key=lambda record: path_order(record.path)) for step, of_step in found.items()}

    def _leads_on(self, record: TaskRecord) -> bool:
        """Whether what a switch chose is still a choice."""
        step = self.graph[record.step]
        return not isinstance(step.transition, Switch) or set(record.next) <= set(step.targets)

    def _next(self, record: TaskRecord) -> tuple[str, ...]:
        step = self.graph[record.step]
        return record.next if isinstance(step.transition, Switch) else step.targets

    def _is_gang(self, step: str) -> bool:
        opened = (self.graph[parent].transition for parent in self.graph.parents[step])
        return any(isinstance(transition, Foreach) and transition.gang for transition in opened)

    def _clone(self, record: TaskRecord, fixed: Mapping[str, Ref]) -> TaskRecord:
        ran = pathspec(self.origin.run, record.step, record.path, record.attempt)
        return replace(
            record,
            attempt=0,
            parents=tuple(f"{parent.rpartition('/')[0]}/0" for parent in record.parents),
            next=self._next(record),
            parameters=fixed,
            origin=record.origin or ran,
        )


def steps_to_clone(graph: Graph, before: Graph, again: str | None) -> tuple[str, ...]:
    """The steps of *graph* that stand where they stood *before* and go on in the same way, but for *again*.

    What comes after a step that is none of them is not taken over either, since its parents are not.
    """
    return tuple(
        step
        for step in graph.order
        if step != again
        and step in before.order
        and graph.parents[step] == before.parents[step]
        and graph[step].is_join == before[step].is_join
        and _goes_on_alike(graph[step].transition, before[step].transition)
    )


def _goes_on_alike(now: Transition, then: Transition) -> bool:
    """Whether what a task left under the one holds under the other, whatever the steps that follow."""
    match now, then:
        case Foreach(), Foreach():
            return (now.over, now.gang) == (then.over, then.gang)
        case Switch(), Switch():
            return now.condition == then.condition
        case ((Linear() | Split() | End()), (Linear() | Split() | End())):
            return True
    return False


def _whole_gangs(records: Iterable[TaskRecord]) -> Iterator[TaskRecord]:
    gangs: dict[str, list[TaskRecord]] = {}
    for record in records:
        path = IndexPath.parse(record.path, len(record.frames))
        gangs.setdefault(str(path.parent), []).append(record)
    for gang in gangs.values():
        if len(gang) == gang[0].frames[-1].count:
            yield from gang


def done_by(taken: Iterable[TaskRecord]) -> Done:
    """What the pods of these tasks need not do; of a looping step, only if its last iteration is there."""
    return {
        (record.step, record.path.partition("~")[0]): outputs_of(record)
        for record in taken
        if record.step not in record.next
    }
