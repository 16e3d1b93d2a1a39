"""What the scheduler keeps of a run: invocations of DAGs, fan-outs and containers that have begun and not ended.

What has ended is forgotten, so memory follows what is open, not how wide a fan-out is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.shape import Shape
from metaflow_hera.errors import EngineError
from metaflow_hera.plan.records import Container
from metaflow_hera.plan.text import (
    Condition,
    Input,
    Item,
    Never,
    OutputIs,
    Reference,
    Retries,
    StatusIs,
    StatusIsNot,
    TaskOutput,
    WorkflowName,
    WorkflowStatus,
)


@dataclass(frozen=True, slots=True)
class Globals:
    """What texts of every node of a workflow may refer to; the status is known at its exit only."""

    workflow: str
    status: Phase | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """One invocation of a DAG: Argo's boundary, by which parallelism is counted."""

    name: str
    shape: Shape
    inputs: Mapping[str, str]
    caller: Caller | None
    phases: list[Phase | None]
    missing: list[int]
    """For each task, how many of those that it needs have not ended."""
    unfinished: int
    active: int = 0
    waiting: deque[FanOut | int] = field(default_factory=deque)
    """Tasks that may start as soon as parallelism lets them, and fan-outs with items left."""
    outputs: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str, shape: Shape, inputs: Mapping[str, str], caller: Caller | None) -> Self:
        count = len(shape.tasks)
        return cls(name, shape, inputs, caller, [None] * count, [len(needed) for needed in shape.needs], count)

    def node(self, task: int) -> str:
        """What Argo calls the node of one of its tasks."""
        return self.shape.name(self.name, task)

    @property
    def has_room(self) -> bool:
        return self.shape.parallelism is None or self.active < self.shape.parallelism

    def resolve(self, reference: Reference, item: int | None, about: Globals) -> str:
        """The value of what a task's arguments refer to."""
        match reference:
            case TaskOutput(task, parameter):
                return self.output(task, parameter)
            case Item() if item is not None:
                return str(item)
            case _:
                return resolve_plain(reference, self.inputs, about)

    def output(self, task: str, parameter: str) -> str:
        values = self.outputs.get(task, {})
        if parameter not in values:
            raise EngineError(
                f"{self.name} refers to the output {parameter!r} of {task!r}, which left none; Argo would wait forever"
            )
        return values[parameter]

    def holds(self, condition: Condition | None, about: Globals) -> bool:
        match condition:
            case None:
                return True
            case OutputIs(task, parameter, value):
                return self.output(task, parameter) == value
            case StatusIs(status):
                return about.status == status
            case StatusIsNot(status):
                return about.status != status
            case Never():
                return False


@dataclass(slots=True, eq=False)
class FanOut:
    """A task with items: they are started in order, and it has ended when they all have."""

    task: int
    items: Sequence[int]
    next: int = 0
    """The place of the item that is started next."""
    ended: int = 0
    phase: Phase = Phase.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose child an invocation is: a task of a scope, or an item of its fan-out."""

    scope: Scope
    task: int
    fan_out: FanOut | None


@dataclass(slots=True, eq=False)
class Execution:
    """A container with all of its attempts: Argo's Retry node, or a plain pod."""

    name: str
    template: Container
    inputs: Mapping[str, str]
    caller: Caller | None
    attempt: int = 0

    @property
    def pod_name(self) -> str:
        return f"{self.name}({self.attempt})" if self.template.retry else self.name

    @property
    def may_retry(self) -> bool:
        return self.template.retry is not None and self.attempt < self.template.retry.limit

    @property
    def gang(self) -> str:
        """The fan-out that it is an item of, if that has no limit: Argo starts such items all at once."""
        if self.caller is None or self.caller.fan_out is None or self.caller.scope.shape.parallelism is not None:
            return ""
        return self.caller.scope.name

    def resolve(self, reference: Reference, about: Globals) -> str:
        if isinstance(reference, Retries) and self.template.retry:
            return str(self.attempt)
        return resolve_plain(reference, self.inputs, about)


def resolve_plain(reference: Reference, inputs: Mapping[str, str], about: Globals) -> str:
    """What means the same in arguments and in containers."""
    match reference:
        case Input(name) if name in inputs:
            return inputs[name]
        case WorkflowName():
            return about.workflow
        case WorkflowStatus() if about.status is not None:
            return about.status.value
        case _:
            raise EngineError(f"{reference!r} means nothing where it stands")
