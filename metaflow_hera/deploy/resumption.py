"""What has to be written before the first task of a run that resumes another, wherever it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from metaflow_hera.client.objects import nearest
from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.arguments import Arguments, default_arguments
from metaflow_hera.deploy.cloning import Cloning, done_by, steps_to_clone
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.parameters import config_attributes, parameters_of
from metaflow_hera.graph.as_json import from_json, to_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import RunKeys, pathspec
from metaflow_hera.plan.pruning import Done
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.artifacts import save_all
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.flow.configs import ConfigSpec


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """A run that goes on with the tasks of *origin*, by the flow as it is now."""

    origin: RunRecord
    graph: Graph
    store: Store
    record: Callable[[], RunRecord]
    """Gives the record of the new run, after its parameters and constants are stored."""
    again: str | None = None
    """The step that is run again although it succeeded."""

    @cached_property
    def _cloning(self) -> Cloning:
        return Cloning(
            store=self.store,
            origin=RunKeys(self.origin.flow, self.origin.run),
            graph=self.graph,
            steps=steps_to_clone(self.graph, graph_of(self.origin), self.again),
        )

    @cached_property
    def _taken(self) -> tuple[TaskRecord, ...]:
        return tuple(self._cloning.taken())

    @cached_property
    def done(self) -> Done:
        """The outputs of the tasks that are taken over."""
        return done_by(self._taken)

    def begin(self) -> Done:
        """Write the record of the run and all that it takes over."""
        record = self.record()
        runs.begin(self.store, record)
        self._cloning.write(self._taken, record.run, record.parameters)
        if any(taken.step == self.graph.end for taken in self._taken):
            end = EndRecord(status=runs.SUCCEEDED, finished=time.time())
            runs.end(self.store, self.graph.flow, record.run, end)
        return self.done


def graph_of(origin: RunRecord) -> Graph:
    """The graph that a run had; `UsageError` if it failed before there was anything to resume."""
    if not origin.graph or (origin.parameter_names and not origin.parameters):
        run = pathspec(origin.flow, origin.run)
        raise UsageError(f"run {run} failed before its first step, so nothing of it can be resumed; start a new run")
    return from_json(origin.graph)


def refuse_unresumable(origin: RunRecord, graph: Graph, store: Store, step: str | None) -> None:
    """`UsageError` if a run cannot be resumed by the flow as it is now, or not from this step."""
    graph_of(origin)
    if step is not None and step not in graph.steps:
        raise UsageError(f"flow {graph.flow} has no step {step!r}: {nearest(step, graph.order, 'its steps')}")
    run = pathspec(origin.flow, origin.run)
    there = tasks.steps(store, RunKeys(origin.flow, origin.run))
    if step is not None and step not in there:
        ran = ", ".join(name for name in graph.order if name in there)
        raise UsageError(f"run {run} never came to step {step!r}; resume it from one that it came to: {ran}")


def new_arguments(flow: CheckedFlow, origin: RunRecord, settings: Settings) -> Arguments:
    """The defaults of parameters that the flow did not have when its origin ran."""
    new = {name: each for name, each in parameters_of(flow.flow_class).items() if name not in origin.parameters}
    if required := [parameter.name for parameter in new.values() if parameter.required]:
        raise UsageError(
            f"run {pathspec(origin.flow, origin.run)} has no value for {', '.join(map(repr, required))}, new in the "
            "flow, and a resumed run takes no parameters; give it a default, or start a new run"
        )
    if not new:
        return Arguments({})
    names = {parameter.name for parameter in new.values()}
    found = default_arguments(flow, settings, besides={each.name for each in flow.parameters} - names)
    return Arguments({name: text for name, text in found.texts.items() if name in names}, found.files)


@dataclass(frozen=True, kw_only=True)
class CurrentCode:
    """The record of a run of the flow as it is now: it has the parameters of its origin, and constants of its own."""

    flow: CheckedFlow
    origin: RunRecord
    store: Store
    new: Arguments
    command: TaskCommand
    """What a task of the run is told."""

    def __call__(self) -> RunRecord:
        begun = run_record(
            self.command,
            parameters=self._fixed(),
            parameter_names=tuple(parameters_of(self.flow.flow_class)),
            configs={attribute: spec.name for attribute, spec in self._configs.items()},
            graph=to_json(self.flow.graph),
        )
        return replace(begun, runner=os.getpid() if begun.runner else 0, triggers=self.origin.triggers)

    def _fixed(self) -> dict[str, Ref]:
        """The parameters of the origin, and what is new in the source."""
        flow_class = self.flow.flow_class
        parameters = parameters_of(flow_class)
        new = {name: each for name, each in parameters.items() if each.name in self.new.texts}
        kept = {name: self.origin.parameters[name] for name in parameters if name not in new}
        kept |= {name: self.origin.parameters[name] for name in self._configs if name in self.origin.configs}
        values = {name: each.from_text(self.new.texts[each.name]) for name, each in new.items()}
        if self.new.files:
            from metaflow_hera.runtime.included import refs_of_files  # few flows include files

            kept |= refs_of_files(flow_class, values, self.store)
        values |= {**constants_of(flow_class), **{name: spec.value for name, spec in self._configs.items()}}
        new_values = {name: value for name, value in values.items() if name not in kept}
        return save_all(self.store, new_values, kept.values()) | kept

    @cached_property
    def _configs(self) -> Mapping[str, ConfigSpec]:
        """By attribute."""
        if not config_attributes(self.flow.flow_class):
            return {}
        from metaflow_hera.flow.configs import configs_of  # few flows have configs

        return configs_of(self.flow.flow_class)


def with_code_of(origin: RunRecord, command: TaskCommand) -> RunRecord:
    """The record of a run of the very code of its origin."""
    begun = run_record(
        command,
        parameters=origin.parameters,
        parameter_names=origin.parameter_names,
        configs=origin.configs,
        graph=origin.graph,
    )
    return replace(begun, triggers=origin.triggers)
