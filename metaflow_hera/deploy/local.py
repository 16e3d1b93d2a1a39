"""Runs on this machine without a deployment: the compiled Plan in forked workers of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_hera.command import TaskCommand
from metaflow_hera.default_settings import DEPLOYED_WORKERS, LOCAL_WORKERS
from metaflow_hera.deploy.arguments import Arguments, run_arguments, to_texts
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.engine.local import Listener, LocalEnd, run_plan
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.workers_forked import Job
from metaflow_hera.errors import RunFailedError
from metaflow_hera.naming import SPLITS_OUTPUT, local_run_id, pathspec
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Plan
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.runtime.bootstrap import COMMAND
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

if TYPE_CHECKING:
    from metaflow_hera.client import Run


@dataclass(frozen=True, kw_only=True)
class LocalChoices:
    """What the user of a local run chooses beside the flow and its parameters."""

    max_workers: int = LOCAL_WORKERS
    max_splits: int | None = None
    """More items than this in one foreach end the run."""
    tags: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """Runs whose end started this one, as ``Flow/run``."""


@dataclass(frozen=True, kw_only=True)
class LocalRun:
    """A run that is ready to begin: everything that can be refused has been looked at, and nothing is written."""

    run_id: str
    flow: CheckedFlow
    plan: Plan
    store: Store
    settings: Settings
    arguments: Arguments
    choices: LocalChoices
    take_over: Callable[[], Mapping[tuple[str, str], Mapping[str, str]]] = dict
    """Called before the first task: gives the outputs of tasks that need not run, by step and index path."""

    @property
    def pathspec(self) -> str:
        return pathspec(self.flow.name, self.run_id)

    def with_exit_hooks(self, listener: Listener, tell: Tell = silent) -> LocalEnd:
        """Run it in this process, and then the exit hooks of its flow; what went wrong with those is told."""
        try:
            end = self.until_its_end(listener)
        except RunFailedError:
            self._call_exit_hooks(tell, succeeded=False)
            raise
        self._call_exit_hooks(tell, succeeded=end.phase is Phase.SUCCEEDED)
        return end

    def _call_exit_hooks(self, tell: Tell, *, succeeded: bool) -> None:
        if any(spec.name == "exit_hook" for spec in self.flow.graph.decorators):
            from metaflow_hera.deploy.exit_hooks import call_exit_hooks  # with the Client, for flows that have some

            for problem in call_exit_hooks(self.flow.flow_class, self.pathspec, self.store, succeeded=succeeded):
                tell(problem)

    def until_its_end(self, listener: Listener) -> LocalEnd:
        """Run it in this process."""
        self.arguments.upload(self.store)
        job = Job(
            flow_class=self.flow.flow_class,
            graph=self.flow.graph,
            store=self.store,
            settings=self.settings,
            parameters=self.arguments.texts,
            done=self.take_over(),
        )
        listener = listener if self.choices.max_splits is None else _Limited(listener, self.choices.max_splits)
        try:
            return run_plan(self.plan, job, run=self.run_id, workers=self.choices.max_workers, listener=listener)
        except RunFailedError as error:
            end = EndRecord(status=Phase.FAILED, finished=time.time(), message=error.message)
            runs.end(self.store, self.flow.name, self.run_id, end)
            raise


def prepare_run(
    flow: CheckedFlow, parameters: Mapping[str, str], choices: LocalChoices, settings: Settings
) -> LocalRun:
    """Check what is given, call deploy-time functions once, and compile; *parameters* as a person would type them."""
    arguments = run_arguments(flow, parameters, settings)
    store = open_store(settings.datastore, settings)
    run = local_run_id()
    return LocalRun(
        run_id=run,
        flow=flow,
        plan=compile_plan(flow.graph, local_options(flow, choices, settings, store, run)),
        store=store,
        settings=settings,
        arguments=arguments,
        choices=choices,
    )


def local_options(
    flow: CheckedFlow, choices: LocalChoices, settings: Settings, store: Store, run: str
) -> CompileOptions:
    """How a run of this machine is compiled; `TaggingError` for tags that cannot be."""
    if choices.tags:
        from metaflow_hera.records.tags import check  # few runs begin with tags

        check(choices.tags)
    return CompileOptions(
        name="",
        file=flow.file_name,
        store=store.uri,
        image=settings.image,
        command=COMMAND,
        run=(run,),
        max_workers=choices.max_workers,
        decorators=flow.decorators,
        user=settings.user,
        tags=choices.tags,
        triggers=trigger_texts_of(choices.triggers, flow, store),
    )


def trigger_texts_of(triggers: Sequence[str], flow: CheckedFlow, store: Store) -> tuple[str, ...]:
    """What starts a run besides its user, as a `TaskCommand` has it; *triggers* are ``Flow/run``."""
    if not triggers and not any(spec.name == "trigger_on_finish" for spec in flow.graph.decorators):
        return ()
    from metaflow_hera.deploy.causes import trigger_texts  # few runs are triggered

    return trigger_texts(triggers, store)


def run(
    flow: FlowLike,
    /,
    *,
    backend: str | None = None,
    max_workers: int | None = None,
    with_: Sequence[str] = (),
    tags: Sequence[str] = (),
    config: Mapping[str, str | Path] | None = None,
    config_value: Mapping[str, object] | None = None,
    branch: str | None = None,
    production: bool = False,
    triggers: Sequence[str] = (),
    settings: Settings | None = None,
    check: bool = True,
    **parameters: object,
) -> Run:
    """Run a flow on this machine; parameters as values, configs by name as files or as values.

    With *backend*, ``embedded``, ``kubernetes`` or ``argo``, it runs there, once, and what is deployed stays as it is.
    *branch* and *production* are for flows of a project, *triggers* runs, ``Flow/run``, whose end started this one.
    `RunFailedError` if the run did not succeed; without *check* it is returned however it ended.
    """
    settings = settings or Settings.load()
    checked = check_flow(flow, with_=with_, launch=LaunchOptions.of(config, config_value, branch, production))
    texts = to_texts(checked.parameters, parameters)
    if backend is not None:
        from metaflow_hera.deploy.one_off import on_backend, submit_checked  # a run on this machine needs none

        there = Choices(max_workers=max_workers or DEPLOYED_WORKERS, tags=tuple(tags))
        run = submit_checked(checked, texts, there, on_backend(settings, backend), triggers=triggers)
        return run.wait(check=check)
    choices = LocalChoices(max_workers=max_workers or LOCAL_WORKERS, tags=tuple(tags), triggers=tuple(triggers))
    ready = prepare_run(checked, texts, choices, settings)
    ready.with_exit_hooks(Unheard())
    from metaflow_hera.deploy.success import ended  # the Client: 20 ms that `mfhera run` need not pay

    return ended(ready.pathspec, ready.store, settings, check=check)


class Unheard:
    """A listener that nobody listens to."""

    def started(self, pod: Pod, command: TaskCommand) -> None:
        pass

    def printed(self, command: TaskCommand, stream: str, line: str) -> None:
        pass

    def ended(self, command: TaskCommand, outcome: PodOutcome, *, again: bool) -> None:
        pass


class _Limited:
    """Hands on what it hears, and ends the run at a foreach over more items than allowed."""

    def __init__(self, listener: Listener, limit: int) -> None:
        self.started = listener.started
        self.printed = listener.printed
        self._ended = listener.ended
        self._limit = limit

    def ended(self, command: TaskCommand, outcome: PodOutcome, *, again: bool) -> None:
        self._ended(command, outcome, again=again)
        splits = outcome.outputs.get(SPLITS_OUTPUT, "")
        if splits and int(splits) > self._limit:
            raise RunFailedError(
                f"step {command.step!r}: its foreach has {splits} items, and --max-num-splits allows {self._limit}"
            )
