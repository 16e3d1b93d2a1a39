"""One step of a flow as it is now, run on the inputs that a task of a past run had: to try a change of it, quickly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaflow_hera.client.objects import nearest
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.local import Unheard
from metaflow_hera.deploy.resume import configs_of_origin, find_origin, flow_name
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.spun import Spin, SpinChoices, place_of, spin_store
from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import RunFailedError, UsageError
from metaflow_hera.flow.derived import derived, with_decorators
from metaflow_hera.flow.load import load_file
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.written import written_on
from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.naming import RunKeys, local_run_id
from metaflow_hera.records import tasks
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

if TYPE_CHECKING:
    from metaflow_hera.client import Task

KEPT = ("card", "environment", "secrets", "timeout")
"""Decorators of ours that a step is spun with; those of the user's own are kept, too."""

ARTIFACTS = "ARTIFACTS"
"""The dictionary in an artifacts module."""


def prepare_spin(
    flow: FlowLike,
    target: str,
    choices: SpinChoices,
    settings: Settings,
    *,
    name: str | None = None,
    with_: Sequence[str] = (),
) -> Spin:
    """A step of *flow* on the inputs of the task behind ``step``, ``run/step`` or ``run/step/task``.

    Without a run it is the user's latest, without a task the first of the step.
    """
    store = open_store(settings.datastore, settings)
    run, step, path = _parsed(target, flow_name(flow, name))
    origin = find_origin(flow_name(flow, name), run, store, settings.user)
    launch = LaunchOptions(origin=configs_of_origin(origin, store))
    whole = check_flow(flow, name=name, launch=launch, defaults=False)
    _refuse_step(whole.graph, step)
    checked = check_flow(_with_few_decorators(whole, step, choices), with_=with_, launch=launch, defaults=False)
    keys = RunKeys(origin.flow, origin.run)
    path = path or _first_task(store, keys, checked.graph, step)
    if checked.graph.repeats(step) and "~" not in path:
        path = f"{path}~0"
    assert place_of(store, keys, checked.graph, step, path).parents is not None  # or it says what is missing
    return Spin(
        flow=checked,
        origin=origin,
        step=step,
        path=path,
        store=store,
        settings=settings,
        choices=choices,
        run_id=local_run_id(),
    )


def _parsed(target: str, flow: str) -> tuple[str | None, str, str]:
    """Run, step and task behind ``[[Flow/]run/]step[/task]``."""
    parts = target.strip("/").split("/")
    if len(parts) > 2 and parts[0] == flow:
        parts = parts[1:]
    match parts:
        case [step] if step:
            return None, step, ""
        case [run, step]:
            return run, step, ""
        case [run, step, path]:
            return run, step, path
    raise UsageError(f"{target!r} is no step of {flow} to spin; write STEP, RUN/STEP or RUN/STEP/TASK")


def _refuse_step(graph: Graph, step: str) -> None:
    if step not in graph.steps:
        raise UsageError(f"flow {graph.flow} has no step {step!r}: {nearest(step, graph.order, 'its steps')}")
    opened = (graph[parent].transition for parent in graph.parents[step])
    if any(isinstance(transition, Foreach) and transition.gang for transition in opened):
        raise UsageError(f"step {step!r} is a gang, whose tasks need each other, so one of them cannot be spun")


def _with_few_decorators(flow: CheckedFlow, step: str, choices: SpinChoices) -> type:
    """The flow's class with those decorators on the step that count for one task on this machine."""
    function = steps_of(flow.flow_class)[step]
    specs = () if choices.skip_decorators else written_on(function)
    kept = tuple(spec for spec in specs if spec.name in KEPT or spec.kind is not None)
    return derived(flow.flow_class, {step: with_decorators(function, kept)})


def _first_task(store: Store, keys: RunKeys, graph: Graph, step: str) -> str:
    """The first task of the step that began, or where it would be."""
    first = ".".join("0" for _ in graph.foreaches(step)) or "0"
    return next(iter(tasks.paths(store, keys, step)), first)


def read_artifacts(file: str) -> dict[str, Any]:
    """The dictionary ``ARTIFACTS`` of a Python file."""
    found = getattr(load_file(file), ARTIFACTS, None)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise UsageError(f"{file} must have a dictionary {ARTIFACTS} of values by name of artifact")
    return found


def spin(
    flow: FlowLike,
    target: str,
    /,
    *,
    artifacts: Mapping[str, object] | None = None,
    skip_decorators: bool = False,
    with_: Sequence[str] = (),
    settings: Settings | None = None,
    check: bool = True,
) -> Task:
    """Run one step of a flow as it is now on the inputs of a past task, and return its task, which is kept.

    *target* is ``step``, ``run/step`` or ``run/step/task``; *artifacts* stand in place of what its inputs have.
    `RunFailedError` if it did not succeed; without *check* it is returned however it ended.
    """
    settings = settings or Settings.load()
    choices = SpinChoices(skip_decorators=skip_decorators, persist=True, artifacts=artifacts)
    ready = prepare_spin(flow, target, choices, settings, with_=with_)
    end = ready.until_its_end(Unheard())
    from metaflow_hera.client import Task  # not needed by the command

    task = Task(ready.pathspec, store=open_store(spin_store(settings), settings), namespace_check=False)
    if check and end.phase is not Phase.SUCCEEDED:
        raise RunFailedError(f"{ready.pathspec}: {end.phase}: {end.message}", task.parent.parent)
    return task
