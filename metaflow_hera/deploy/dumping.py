"""The artifacts of tasks, for whoever wants to look at them without writing Python."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from metaflow_hera.client import Run, Task
from metaflow_hera.deploy.recorded import open_records
from metaflow_hera.deploy.runs import locate
from metaflow_hera.naming import pathspec
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.values import Ref
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store


@dataclass(frozen=True, kw_only=True)
class DumpedTask:
    """The artifacts that were asked for of the attempt of a task that counts, none of them read."""

    pathspec: str
    attempt: int
    refs: Mapping[str, Ref]
    store: Store

    def value(self, name: str) -> object:
        return load(self.store, self.refs[name], name)

    @property
    def values(self) -> dict[str, object]:
        return {name: self.value(name) for name in self.refs}


def dump(
    target: str, settings: Settings, *, include: Collection[str] = (), private: bool = False
) -> Iterator[DumpedTask]:
    """The tasks behind ``[Flow/]run[/step[/task]]``, in the order in which they ran, items by index.

    Of their artifacts those that are to *include*, if any are; private ones begin with ``_`` and are left out
    otherwise. `NotFoundError` for a step or a task that has not begun.
    """
    flow, run, place = locate(target, settings)
    of_run = Run(pathspec(flow, run), store=open_records(settings), namespace_check=False)
    for task in _tasks(of_run, place):
        names = (name for name in sorted(task.refs) if _is_wanted(name, include, private=private))
        refs = {name: task.refs[name] for name in names}
        yield DumpedTask(pathspec=task.pathspec, attempt=task.current_attempt, refs=refs, store=task._store)


def _tasks(run: Run, place: tuple[str, ...]) -> Iterator[Task]:
    match place:
        case (step, path):
            yield run[step][path]
        case (step,):
            yield from reversed(list(run[step]))
        case _:
            for each in reversed(list(run)):
                yield from reversed(list(each))


def _is_wanted(name: str, include: Collection[str], *, private: bool) -> bool:
    return name in include if include else private or not name.startswith("_")
