"""`current`: what a step may ask about the task that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from metaflow_hera.naming import pathspec
from metaflow_hera.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The facts of one attempt of a task."""

    flow_name: str
    run_id: str
    step_name: str
    task_id: str
    retry_count: int = 0
    origin_run_id: str | None = None
    username: str | None = None
    namespace: str | None = None
    tags: frozenset[str] = frozenset()
    parameter_names: tuple[str, ...] = ()


_FACTS = frozenset(fact.name for fact in fields(TaskFacts))
_ABSENT: Mapping[str, object] = MappingProxyType(
    {
        **dict.fromkeys(("graph_info", "run", "spot_termination_notice", "task", "tempdir", "trigger")),
        "is_parallel": False,
    }
)
"""What is asked for whether or not there is one."""

_NAMES = frozenset((*_FACTS, *_ABSENT, "graph", "is_running_flow", "pathspec"))


class Later:
    """A fact that is worked out whenever it is asked for, and costs nothing if it is not."""

    __slots__ = ("work_out",)

    def __init__(self, work_out: Callable[[], object]) -> None:
        self.work_out = work_out


class Current:
    """The task that runs in this process; outside of a task every fact but the user's name is None or empty."""

    __slots__ = ("_facts", "_provided")

    def __init__(self) -> None:
        self._facts: TaskFacts | None = None
        self._provided: dict[str, object] = {}

    @property
    def is_running_flow(self) -> bool:
        return self._facts is not None

    @property
    def pathspec(self) -> str | None:
        """``Flow/run/step/task`` of the task."""
        facts = self._facts
        if facts is None:
            return None
        return pathspec(facts.flow_name, facts.run_id, facts.step_name, facts.task_id)

    @property
    def graph(self) -> Any:
        """The flow as a dictionary, as `graph.info` makes it; `RuntimeError` where no flow runs."""
        if (found := self.graph_info) is None:
            raise RuntimeError("current.graph is for steps of a flow that runs; none runs here")
        return found

    def __getattr__(self, name: str) -> Any:
        if name in self._provided:
            found = self._provided[name]
            return found.work_out() if isinstance(found, Later) else found
        if name in _ABSENT:
            return _ABSENT[name]
        if name not in _FACTS:
            raise AttributeError(f"current has no {name!r}; it has {', '.join(sorted({*_NAMES, *self._provided}))}")
        if self._facts is not None:
            value = getattr(self._facts, name)
            return list(value) if isinstance(value, tuple) else value
        if name == "username":
            return Settings.load().user
        return {"tags": frozenset(), "parameter_names": []}.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The fact of that name, or *default* where there is none."""
        value = getattr(self, "graph_info" if name == "graph" else name, None)
        return default if value is None else value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __dir__(self) -> Iterator[str]:
        yield from sorted({*_NAMES, *self._provided, "get"})

    def __repr__(self) -> str:
        return f"<current task {self.pathspec}>" if self._facts else "<current: no task>"


# The peer's flows import this very object; only the functions below change it, once for each task of a process.
current = Current()


def enter(facts: TaskFacts) -> None:
    """From now on this process runs that task."""
    current._facts = facts


def provide(**facts: object) -> None:
    """Let `current` have these, too, until the task has ended: what its decorators know, some of it `Later`."""
    current._provided.update(facts)


@contextmanager
def provided(facts: Mapping[str, object]) -> Iterator[None]:
    """Let `current` have these while functions of the user's run outside of any task."""
    before = dict(current._provided)
    provide(**facts)
    try:
        yield
    finally:
        current._provided.clear()
        current._provided.update(before)


def leave() -> None:
    """The task has ended."""
    current._facts = None
    current._provided.clear()
