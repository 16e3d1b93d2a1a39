"""What decorators do around the user's code of a step, in the process of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from metaflow_hera.command import TaskCommand
from metaflow_hera.flow.decorators import decorator_of, environment
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.model import Step
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.inputs import Place
from metaflow_hera.settings import Settings, set_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrounded:
    """An attempt whose user's code is about to run, as decorators see it."""

    command: TaskCommand
    flow: FlowSpec
    place: Place
    attempt: int
    fixed: Mapping[str, Ref]
    """Parameters and constants."""
    settings: Settings
    afterwards: list[Callable[[TaskRecord], None]] = field(default_factory=list)
    """Called with the record of the attempt, when its artifacts are saved and before it is written; must not raise."""

    @property
    def step(self) -> Step:
        return self.place.graph[self.place.step]


Surrounding = Callable[[Surrounded], AbstractContextManager[None]]
"""What happens before and after the user's code; whatever it raises is the failure of the step."""


@contextmanager
def environment_variables(task: Surrounded) -> Iterator[None]:
    # In a container the manifest has set them, with the values that they had where the flow was deployed.
    variables = None if task.command.code else decorator_of(task.step, environment)
    if variables:
        set_environment({name: str(value) for name, value in variables.vars.items()})
    yield


@contextmanager
def cards(task: Surrounded) -> Iterator[None]:
    if task.step.decorator("card") is None:
        yield
        return
    from metaflow_hera.runtime.cards import carded  # a step without cards imports nothing of them

    with carded(task):
        yield


SURROUNDINGS: tuple[Surrounding, ...] = (environment_variables, cards)
"""The outermost first."""


@contextmanager
def surrounded(task: Surrounded) -> Iterator[None]:
    """All surroundings of a task, around the body."""
    with ExitStack() as stack:
        for surrounding in SURROUNDINGS:
            stack.enter_context(surrounding(task))
        yield
