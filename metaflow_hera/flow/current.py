"""`current`: what a step may ask about the task that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
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


_NAMES = frozenset(fact.name for fact in fields(TaskFacts))


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

    def __getattr__(self, name: str) -> Any:
        if name in self._provided:
            return self._provided[name]
        if name not in _NAMES:
            known = ", ".join(sorted({*_NAMES, *self._provided, "is_running_flow", "pathspec"}))
            raise AttributeError(f"current has no {name!r}; it has {known}")
        if self._facts is not None:
            return getattr(self._facts, name)
        if name == "username":
            return Settings.load().user
        return {"tags": frozenset(), "parameter_names": ()}.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The fact of that name, or *default* where there is none."""
        value = getattr(self, name, None)
        return default if value is None else value

    def __contains__(self, name: str) -> bool:
        return getattr(self, name, None) is not None

    def __dir__(self) -> Iterator[str]:
        yield from sorted({*_NAMES, *self._provided, "get", "is_running_flow", "pathspec"})

    def __repr__(self) -> str:
        return f"<current task {self.pathspec}>" if self._facts else "<current: no task>"


# The peer's flows import this very object; only the functions below change it, once for each task of a process.
current = Current()


def enter(facts: TaskFacts) -> None:
    """From now on this process runs that task."""
    current._facts = facts


def provide(**facts: object) -> None:
    """Let `current` have these, too, until the task has ended: what its decorators know."""
    current._provided.update(facts)


def leave() -> None:
    """The task has ended."""
    current._facts = None
    current._provided.clear()
