"""Runs that go on where another one failed, or from a step that is to be run again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from metaflow_hera.client.objects import nearest
from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.arguments import Arguments, default_arguments
from metaflow_hera.deploy.choices import LOCAL_WORKERS
from metaflow_hera.deploy.cloning import Cloning, Done, done_by, steps_to_clone
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.local import LocalChoices, LocalRun, Unheard, local_options
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.success import ended
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import config_attributes, parameters_of
from metaflow_hera.flow.project import BRANCH_TAG
from metaflow_hera.graph.model import from_json, to_json
from metaflow_hera.naming import RunKeys, local_run_id, pathspec
from metaflow_hera.plan.compile import compile_plan
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.artifacts import load, save_all
from metaflow_hera.records.codec import encode
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store
from metaflow_hera.store.parallel import each

if TYPE_CHECKING:
    from metaflow_hera.client import Run
    from metaflow_hera.flow.configs import ConfigSpec

_NO_OPTIONS = LaunchOptions()

LOOKED_AT = 100
"""Among how many of the newest runs the user's own is looked for."""


def find_origin(flow: str, run: str | None, store: Store, user: str) -> RunRecord:
    """The run to resume: the one of this id, else the user's latest, however it ended."""
    if run is not None:
        return _named(flow, run.removeprefix(f"{flow}/"), store)
    newest = islice(runs.run_ids(store, flow), LOOKED_AT)
    first = next(newest, None)
    if first is None:
        raise UnknownRunError(
            f"flow {flow} has no run in {store.uri} that could be resumed; run it first, or choose the datastore of "
            "the run with --datastore"
        )
    for batch in ((first,), tuple(newest)):
        for record in each(store, lambda newer: runs.read(store, flow, newer), batch):
            if record is not None and record.user == user:
                return record
    raise UnknownRunError(
        f"none of the latest runs of {flow} in {store.uri} is one of {user!r}; say which to resume with "
        f"--origin-run-id: the latest is {first}"
    )


def flow_name(flow: FlowLike, name: str | None = None) -> str:
    """The name of a flow that need not be in order yet."""
    return flow.__name__ if isinstance(flow, type) else load_flow(flow, name).__name__


def configs_of_origin(origin: RunRecord, store: Store) -> dict[str, object]:
    """The values of the configs of a run, by name."""
    return {name: load(store, origin.parameters[attribute], name) for attribute, name in origin.configs.items()}


def _named(flow: str, run: str, store: Store) -> RunRecord:
    record = runs.read(store, flow, run) if run and "/" not in run else None
    if record is None:
        there = nearest(run, islice(runs.run_ids(store, flow), LOOKED_AT), f"the latest runs of {flow}")
        raise UnknownRunError(f"there is no run {flow}/{run} in {store.uri}: {there}")
    return record


def check_resumed(
    flow: FlowLike,
    origin_run_id: str | None,
    settings: Settings,
    *,
    name: str | None = None,
    with_: Sequence[str] = (),
    launch: LaunchOptions = _NO_OPTIONS,
) -> tuple[CheckedFlow, RunRecord]:
    """The flow as it is now with the configs of the run to resume, and that run."""
    if launch.config or launch.config_value:
        raise UsageError("a resumed run has the configs of the run that it resumes; leave the configs out")
    store = open_store(settings.datastore, settings)
    origin = find_origin(flow_name(flow, name), origin_run_id, store, settings.user)
    known = replace(_of_branch(launch, origin), origin=configs_of_origin(origin, store))
    return check_flow(flow, name=name, with_=with_, launch=known), origin


def _of_branch(launch: LaunchOptions, origin: RunRecord) -> LaunchOptions:
    """In the branch of the origin, unless another one is chosen: what follows belongs to what is taken over."""
    tags = (tag.removeprefix(BRANCH_TAG) for tag in origin.system_tags if tag.startswith(BRANCH_TAG))
    kind, _, branch = next(tags, "").partition(".")
    if launch.branch is not None or launch.production or kind not in ("prod", "test"):
        return launch
    return replace(launch, branch=branch or None, production=kind == "prod")


def prepare_resume(
    flow: CheckedFlow, origin: RunRecord, choices: LocalChoices, settings: Settings, step: str | None = None
) -> LocalRun:
    """A run that takes over what succeeded in *origin* before *step*, and runs what failed and all that follows.

    It has the parameters of its origin; constants are those of the source as it is now.
    """
    if step is not None and step not in flow.graph.steps:
        raise UsageError(f"flow {flow.name} has no step {step!r}: {nearest(step, flow.graph.order, 'its steps')}")
    store = open_store(settings.datastore, settings)
    _refuse_unbegun(origin)
    _refuse_unvisited(flow, origin, store, step)
    new = _new_arguments(flow, origin, settings)
    run = local_run_id()
    causes = tuple(encode(cause).decode() for cause in origin.triggers)
    options = replace(local_options(flow, choices, settings, store, run), origin=origin.run, triggers=causes)
    resumption = _Resumption(
        flow=flow,
        origin=origin,
        run=run,
        store=store,
        new=new,
        choices=choices,
        user=settings.user,
        again=step,
    )
    return LocalRun(
        run_id=run,
        flow=flow,
        plan=compile_plan(flow.graph, options),
        store=store,
        settings=settings,
        arguments=Arguments({}, new.files),
        choices=choices,
        take_over=resumption.begin,
    )


def _refuse_unbegun(origin: RunRecord) -> None:
    if not origin.graph or (origin.parameter_names and not origin.parameters):
        raise UsageError(
            f"run {pathspec(origin.flow, origin.run)} failed before its first step, so nothing of it can be resumed; "
            "start a new run"
        )


def _refuse_unvisited(flow: CheckedFlow, origin: RunRecord, store: Store, step: str | None) -> None:
    """A run cannot begin at a step to which it never came."""
    there = tasks.steps(store, RunKeys(origin.flow, origin.run))
    if step is not None and step not in there:
        ran = [name for name in flow.graph.order if name in there]
        raise UsageError(
            f"run {pathspec(origin.flow, origin.run)} never came to step {step!r}; resume it from one that it came to: "
            f"{', '.join(ran)}"
        )


def _new_arguments(flow: CheckedFlow, origin: RunRecord, settings: Settings) -> Arguments:
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
class _Resumption:
    """What has to be written before the first task of a run that resumes another."""

    flow: CheckedFlow
    origin: RunRecord
    run: str
    store: Store
    new: Arguments
    choices: LocalChoices
    user: str
    again: str | None

    def begin(self) -> Done:
        fixed = self._fixed()
        runs.begin(self.store, self._record(fixed))
        graph = self.flow.graph
        cloning = Cloning(
            store=self.store,
            origin=RunKeys(self.origin.flow, self.origin.run),
            graph=graph,
            steps=steps_to_clone(graph, from_json(self.origin.graph), self.again),
        )
        clones = cloning.take_over(self.run, fixed)
        if any(clone.step == graph.end for clone in clones):
            runs.end(self.store, graph.flow, self.run, EndRecord(status=runs.SUCCEEDED, finished=time.time()))
        return done_by(clones)

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

    def _record(self, fixed: Mapping[str, Ref]) -> RunRecord:
        command = TaskCommand(
            flow=self.flow.name,
            file=self.flow.file_name,
            step=self.flow.graph.start,
            run=self.run,
            path="0",
            store=self.store.uri,
            user=self.user,
            tags=self.choices.tags,
            origin=self.origin.run,
        )
        begun = run_record(
            command,
            parameters=fixed,
            parameter_names=tuple(parameters_of(self.flow.flow_class)),
            configs={attribute: spec.name for attribute, spec in self._configs.items()},
            graph=to_json(self.flow.graph),
        )
        return replace(begun, runner=os.getpid(), triggers=self.origin.triggers)


def resume(
    flow: FlowLike,
    step: str | None = None,
    /,
    *,
    origin_run_id: str | None = None,
    max_workers: int = LOCAL_WORKERS,
    with_: Sequence[str] = (),
    tags: Sequence[str] = (),
    settings: Settings | None = None,
    check: bool = True,
) -> Run:
    """Go on, in a new run on this machine, where a run failed, or from *step*: the user's latest run by default.

    `RunFailedError` if the new run did not succeed; without *check* it is returned however it ended.
    """
    settings = settings or Settings.load()
    checked, origin = check_resumed(flow, origin_run_id, settings, with_=with_)
    choices = LocalChoices(max_workers=max_workers, tags=tuple(tags))
    ready = prepare_resume(checked, origin, choices, settings, step)
    ready.with_exit_hooks(Unheard())
    return ended(ready.pathspec, ready.store, settings, check=check)
