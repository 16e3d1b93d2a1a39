"""What decorators do around the user's code of a step, in the process of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from metaflow_hera.command import TaskCommand
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.current import Later, provide
from metaflow_hera.flow.decorators import decorator_of, environment, kubernetes
from metaflow_hera.flow.parameters import config_attributes, parameters_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.model import Step
from metaflow_hera.naming import pathspec
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.inputs import Place
from metaflow_hera.runtime.watcher import Watcher
from metaflow_hera.settings import Settings, set_environment, variable


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
    watcher: Watcher
    afterwards: list[Callable[[TaskRecord], None]] = field(default_factory=list)
    """Called with the record of the attempt, when its artifacts are saved and before it is written; must not raise."""

    @property
    def step(self) -> Step:
        return self.place.graph[self.place.step]

    @property
    def user(self) -> str:
        """Who launched the run."""
        return self.command.user or self.settings.user


_TRIGGERS: Final = ("trigger", "trigger_on_finish")

Surrounding = Callable[[Surrounded], AbstractContextManager[None]]
"""What happens before and after the user's code; whatever it raises is the failure of the step."""


@contextmanager
def facts(task: Surrounded) -> Iterator[None]:
    """What `current` says beyond the facts that every task has."""
    provide(
        task=Later(lambda: _client_object(task, "Task")),
        run=Later(lambda: _client_object(task, "Run")),
        graph_info=Later(lambda: _graph_info(task)),
    )
    pod = decorator_of(task.step, kubernetes)
    if pod and pod.has_tmpfs and pod.tmpfs_tempdir and Path(pod.tmpfs_path).is_dir():
        provide(tempdir=pod.tmpfs_path)
    if any(spec.name == "project" for spec in task.place.graph.decorators):
        from metaflow_hera.flow.project import project_of  # few flows are of a project

        if project := project_of(task.place.graph.decorators, task.user):
            provide(**project.facts(task.command.flow))
    if task.command.triggers or any(spec.name in _TRIGGERS for spec in task.place.graph.decorators):
        provide(trigger=Later(lambda: _client_object(task, "Run").trigger))
    yield


def _client_object(task: Surrounded, kind: str) -> Any:
    from metaflow_hera import client  # 20 ms that a step does not pay which asks for none

    keys = task.place.keys
    path = (keys.flow, keys.run) if kind == "Run" else (keys.flow, keys.run, task.command.step, task.command.path)
    return getattr(client, kind)(pathspec(*path), store=task.place.store, namespace_check=False)


def _graph_info(task: Surrounded) -> dict[str, object]:
    from metaflow_hera.graph.info import graph_info  # for who asks

    flow_class = type(task.flow)
    parameters = {name: type(parameter).__name__ for name, parameter in parameters_of(flow_class).items()}
    parameters |= dict.fromkeys(config_attributes(flow_class), "Config")
    constants = {name: type(value).__name__ for name, value in constants_of(flow_class).items()}
    return graph_info(task.place.graph, parameters, constants)


@contextmanager
def own_datastore(task: Surrounded) -> Iterator[None]:
    # The Client and S3 look at the datastore of the run, also in processes that the step starts.
    set_environment({variable("datastore"): task.place.store.uri})
    yield


@contextmanager
def environment_variables(task: Surrounded) -> Iterator[None]:
    # In a container the manifest has set them, with the values that they had where the flow was deployed.
    variables = None if task.command.code else decorator_of(task.step, environment)
    if variables:
        set_environment({name: str(value) for name, value in variables.vars.items()})
    yield


@contextmanager
def gang(task: Surrounded) -> Iterator[None]:
    if task.step.decorator("parallel") is None:
        yield
        return
    from metaflow_hera.runtime.gang import in_gang  # few steps are of a gang

    with in_gang(task):
        yield


@contextmanager
def cards(task: Surrounded) -> Iterator[None]:
    if task.step.decorator("card") is None:
        yield
        return
    from metaflow_hera.runtime.cards import carded  # a step without cards imports nothing of them

    with carded(task):
        yield


@contextmanager
def secrets(task: Surrounded) -> Iterator[None]:
    if task.step.decorator("secrets") is None:
        yield
        return
    from metaflow_hera.runtime.secrets import secret_variables  # a step without secrets imports nothing of them

    set_environment(secret_variables(task.step, task.settings))
    yield


SURROUNDINGS: tuple[Surrounding, ...] = (facts, own_datastore, environment_variables, gang, secrets, cards)
"""The outermost first."""


@contextmanager
def surrounded(task: Surrounded) -> Iterator[None]:
    """All surroundings of a task, around the body."""
    with ExitStack() as stack:
        for surrounding in SURROUNDINGS:
            stack.enter_context(surrounding(task))
        yield
