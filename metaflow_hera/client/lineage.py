"""Which tasks come after a task: found by names that follow from the graph, as tasks themselves find their parents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.naming import IndexPath, RunKeys
from metaflow_hera.records import tasks
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.store import Store


def following(graph: Graph, record: TaskRecord) -> Iterator[tuple[str, list[str]]]:
    """The steps that come after a task, each with the index paths of its tasks, whether these have begun or not."""
    path = IndexPath.parse(record.path, len(record.frames))
    for target in record.next:
        if target == record.step:
            yield target, [str(replace(path, iteration=(path.iteration or 0) + 1))]
        elif isinstance(graph[record.step].transition, Foreach):
            yield target, [_entered(graph, target, path.child(index)) for index in range(record.splits or 0)]
        elif graph[target].is_join and isinstance(graph[graph.split_of(target)].transition, Foreach):
            yield target, [_entered(graph, target, path.parent)]
        else:
            yield target, [_entered(graph, target, IndexPath(path.indexes))]


def _entered(graph: Graph, step: str, path: IndexPath) -> str:
    """The first task of a step at a path."""
    return str(replace(path, iteration=0) if graph.repeats(step) else path)


def begun(store: Store, keys: RunKeys, step: str, paths: list[str]) -> list[str]:
    """Those of the tasks that have begun."""
    if len(paths) == 1:
        return paths if next(store.keys(keys.task_prefix(step, paths[0])), None) is not None else []
    there = frozenset(tasks.paths(store, keys, step))
    return [path for path in paths if path in there]


def is_gang(graph: Graph, step: str) -> bool:
    """Whether the tasks of a step run at the same time and know each other."""
    opened = (graph[parent].transition for parent in graph.parents[step])
    return any(isinstance(transition, Foreach) and transition.gang for transition in opened)


def is_control(graph: Graph, step: str, path: str) -> bool:
    """Whether a task is the first of its gang."""
    return is_gang(graph, step) and path.rpartition(".")[2] == "0"
