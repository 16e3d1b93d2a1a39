"""One step of a flow as it is now, run on the inputs that a task of a past run had: to try a change of it, quickly.

Its run is its own: it lies in a datastore below the data directory, or in a folder that is removed, and no other run
knows of it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_hera.client.objects import nearest
from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.arguments import Arguments
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.local import LocalChoices, LocalRun, Unheard
from metaflow_hera.deploy.overlay import Overlay
from metaflow_hera.deploy.resume import configs_of_origin, find_origin, flow_name
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.engine.local import Listener, LocalEnd
from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import RunFailedError, UsageError
from metaflow_hera.flow.derived import derived, with_decorators
from metaflow_hera.flow.load import load_file
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.written import written_on
from metaflow_hera.graph.model import Foreach, Graph, to_json
from metaflow_hera.naming import SPIN_FOLDER, IndexPath, RunKeys, data_key, local_run_id, pathspec
from metaflow_hera.plan.records import Container, Plan
from metaflow_hera.plan.text import text
from metaflow_hera.records import artifacts, runs, tasks
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.runtime.inputs import Place
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

if TYPE_CHECKING:
    from metaflow_hera.client import Task

KEPT = ("card", "environment", "secrets", "timeout")
"""Decorators of ours that a step is spun with; those of the user's own are kept, too."""

ARTIFACTS = "ARTIFACTS"
"""The dictionary in an artifacts module."""


@dataclass(frozen=True, kw_only=True)
class SpinChoices:
    """What the user of a spun step chooses beside the task."""

    skip_decorators: bool = False
    persist: bool = False
    artifacts: Mapping[str, object] | None = None
    """In place of what the task's inputs have."""


@dataclass(frozen=True, kw_only=True)
class Spin:
    """A step that is ready to be run: everything that can be refused has been looked at, and nothing is written."""

    flow: CheckedFlow
    origin: RunRecord
    step: str
    path: str
    store: Store
    """Of the origin."""
    settings: Settings
    choices: SpinChoices
    run_id: str

    @property
    def task(self) -> str:
        """The task that it repeats."""
        return pathspec(self.flow.name, self.origin.run, self.step, self.path)

    @property
    def pathspec(self) -> str:
        return pathspec(self.flow.name, self.run_id, self.step, self.path)

    def until_its_end(self, listener: Listener) -> LocalEnd:
        """Run it in this process."""
        with self._front() as front:
            keys = RunKeys(self.flow.name, self.run_id)
            over = Overlay(
                front=front,
                back=self.store,
                run=keys,
                origin=RunKeys(self.flow.name, self.origin.run),
                own=keys.task_prefix(self.step, self.path),
            )
            begun = _Begun(spin=self, store=over, keys=keys)
            end = begun.run(listener)
            if end.phase is Phase.SUCCEEDED:
                runs.end(over, self.flow.name, self.run_id, EndRecord(status=runs.SUCCEEDED, finished=time.time()))
            if self.choices.persist:
                begun.keep_values(front)
            return end

    @contextmanager
    def _front(self) -> Iterator[Store]:
        """Where its records go."""
        if self.choices.persist:
            yield open_store(spin_store(self.settings), self.settings)
            return
        with tempfile.TemporaryDirectory(prefix="mfhera-spin-") as folder:
            yield open_store(folder, self.settings)


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A spun step in its own run."""

    spin: Spin
    store: Overlay
    keys: RunKeys

    def run(self, listener: Listener) -> LocalEnd:
        spin = self.spin
        ready = LocalRun(
            run_id=spin.run_id,
            flow=spin.flow,
            plan=_plan(self._command()),
            store=self.store,
            settings=spin.settings,
            arguments=Arguments({}),
            choices=LocalChoices(max_workers=1),
            take_over=self._begin,
        )
        return ready.until_its_end(listener)

    def _command(self) -> TaskCommand:
        spin = self.spin
        return TaskCommand(
            flow=spin.flow.name,
            file=spin.flow.file_name,
            step=spin.step,
            run=spin.run_id,
            path=spin.path,
            store=self.store.uri,
            user=spin.settings.user,
            origin=spin.origin.run,
        )

    def _begin(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """Write the run, and inputs with other artifacts than they had."""
        spin = self.spin
        chosen = artifacts.save_all(self.store, spin.choices.artifacts or {})
        begun = run_record(
            self._command(),
            parameters=_replaced(spin.origin.parameters, chosen),
            parameter_names=tuple(parameters_of(spin.flow.flow_class)),
            configs=spin.origin.configs,
            graph=to_json(spin.flow.graph),
        )
        runs.begin(self.store, replace(begun, runner=os.getpid()))
        place = place_of(self.store, self.keys, spin.flow.graph, spin.step, spin.path)
        for record in place.parents if chosen else ():
            tasks.write(self.store, self.keys, _with(record, chosen))
        return {}

    def keep_values(self, front: Store) -> None:
        """Copy the values that the task has from the run before, so that they are there as long as it is."""
        for _, _, record in tasks.attempts(self.store, self.keys, self.spin.step, self.spin.path):
            for ref in (*record.parameters.values(), *record.artifacts.values()) if record else ():
                if ref.digest and not artifacts.is_there(front, ref.digest, ref.size):
                    key = data_key(ref.digest)
                    front.put(key, self.store.get(key))


def _with(record: TaskRecord, chosen: Mapping[str, Ref]) -> TaskRecord:
    others = {name: ref for name, ref in chosen.items() if name not in record.parameters}
    return replace(record, parameters=_replaced(record.parameters, chosen), artifacts={**record.artifacts, **others})


def _replaced(refs: Mapping[str, Ref], chosen: Mapping[str, Ref]) -> dict[str, Ref]:
    return {name: chosen.get(name, ref) for name, ref in refs.items()}


def _plan(command: TaskCommand) -> Plan:
    """One container, and no more."""
    container = Container(name=command.step, image="", command=(), args=tuple(map(text, command.argv())))
    return Plan(name="", entrypoint=container.name, templates=(container,))


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


def place_of(store: Store, keys: RunKeys, graph: Graph, step: str, path: str) -> Place:
    index = IndexPath.parse(path, len(graph.foreaches(step)))
    return Place(store=store, keys=keys, graph=graph, step=step, path=index)


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


def spin_store(settings: Settings) -> str:
    """The datastore of steps that were spun and kept."""
    return str(Path(settings.data_dir) / SPIN_FOLDER)


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
