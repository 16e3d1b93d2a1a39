"""One attempt of one task, from its claim to its record: what a container's child and a local run's worker do alike."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.flow.current import TaskFacts, enter, leave
from metaflow_hera.flow.decorators import decorator_of, timeout
from metaflow_hera.flow.parameters import given_of
from metaflow_hera.flow.spec import FlowSpec, begin_task, changes, transition
from metaflow_hera.flow.task import Inputs
from metaflow_hera.flow.transitions import check_transition
from metaflow_hera.flow.written import written_on
from metaflow_hera.graph.model import Graph, Step
from metaflow_hera.naming import NEXT_OUTPUT, SPLITS_OUTPUT, IndexPath, RunKeys, own_tag, pathspec
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.artifacts import save_all
from metaflow_hera.records.run import EndRecord
from metaflow_hera.records.task import Claim, Failure, TaskRecord, TaskStatus
from metaflow_hera.records.tasks import Claimed
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.beginning import begin_run
from metaflow_hera.runtime.catching import Catching
from metaflow_hera.runtime.failures import failure_of, told
from metaflow_hera.runtime.inputs import Place
from metaflow_hera.runtime.interruption import interruptible
from metaflow_hera.runtime.saving import save_what_can_be, told_of_changes
from metaflow_hera.runtime.scopes import Scopes
from metaflow_hera.runtime.streams import flush_output
from metaflow_hera.runtime.surroundings import Surrounded, surrounded
from metaflow_hera.runtime.watcher import Unwatched, Watcher
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended, and what the backend is told: `splits` and `next`, each empty where it says nothing."""

    ok: bool
    attempt: int
    outputs: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    terminated: bool = False
    """Whether it ended because its process was told to."""


def claim_attempt(command: TaskCommand, store: Store, started: float | None = None) -> Claimed:
    """Take the next attempt of the task, or find that it succeeded already; a run that had ended goes on with it."""
    mine = Claim(started=started or time.time(), host=os.uname().nodename, pid=os.getpid(), user=command.user)
    keys = RunKeys(command.flow, command.run)
    if command.origin and (clone := tasks.find(store, keys, command.step, command.path)) is not None:
        return Claimed(attempt=clone.attempt, finished=clone)  # nobody claimed what was taken over
    claimed = tasks.claim(store, keys, command.step, command.path, int(command.attempt), mine)
    if (claimed.attempt or command.origin) and not claimed.finished:
        runs.reopen(store, command.flow, command.run)
    return claimed


def run_attempt(
    command: TaskCommand,
    flow_class: type[FlowSpec],
    graph: Graph,
    store: Store,
    *,
    settings: Settings,
    parameters: Mapping[str, str] | None = None,
    claimed: Claimed | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run the task, unless it succeeded before; whatever the user's code does, a record of it is left.

    *parameters* are texts by name, for the start step; *claimed* is the attempt if the caller took one. Must be called
    in the main thread, and leaves SIGTERM ignored: the process has nothing else to do. `StoreError` if nothing could
    be written.
    """
    started, watcher = time.time(), watcher or Unwatched()
    fixed: Mapping[str, Ref] = {}
    problem: MetaflowHeraError | None = None
    if command.step == graph.start:
        fixed, problem = begin_run(command, flow_class, graph, store, parameters or {})
    if claimed is None:
        claimed = claim_attempt(command, store, started)
        watcher.claimed(claimed.attempt)
    if claimed.finished:
        return finish(command, store, claimed.finished)
    place = Place(
        store=store,
        keys=RunKeys(command.flow, command.run),
        graph=graph,
        step=command.step,
        path=IndexPath.parse(command.path, len(graph.foreaches(command.step))),
    )
    attempt = _Attempt(command, flow_class, place, claimed.attempt, started, settings, watcher)
    record = attempt.failed(problem) if problem else attempt.run(fixed)
    flush_output()
    watcher.before_record()
    return finish(command, store, tasks.write(store, place.keys, replace(record, finished=time.time())))


def fail(
    command: TaskCommand, store: Store, error: MetaflowHeraError, *, claimed: Claimed | None, watcher: Watcher
) -> Outcome:
    """Record an attempt that did not come to the user's code."""
    started = time.time()
    if claimed is None:
        claimed = claim_attempt(command, store, started)
        watcher.claimed(claimed.attempt)
    if claimed.finished:
        return finish(command, store, claimed.finished)
    failure = _told(error)
    watcher.before_record()
    return finish(command, store, write_failure(command, store, claimed.attempt, failure, started))


def write_failure(
    command: TaskCommand, store: Store, attempt: int, failure: Failure, started: float | None = None
) -> TaskRecord:
    """Write down that an attempt failed of which nothing else is known, unless it left a record; return what holds."""
    now = time.time()
    record = TaskRecord(
        step=command.step,
        path=command.path,
        attempt=attempt,
        status=TaskStatus.FAILED,
        started=started or now,
        finished=now,
        failure=failure,
    )
    return tasks.write(store, RunKeys(command.flow, command.run), record)


def finish(command: TaskCommand, store: Store, record: TaskRecord) -> Outcome:
    """What follows from the record of an attempt; the run has succeeded with a step after which nothing comes."""
    ok = record.status is TaskStatus.SUCCEEDED
    if ok and not record.next:
        runs.end(store, command.flow, command.run, EndRecord(status=runs.SUCCEEDED, finished=record.finished))
    message = "" if record.failure is None else f"{record.failure.type}: {record.failure.text}"
    return Outcome(ok=ok, attempt=record.attempt, outputs=outputs_of(record), message=message)


def outputs_of(record: TaskRecord | None = None) -> dict[str, str]:
    """Argo's output parameters; without a record those of a task that has said nothing."""
    return {
        SPLITS_OUTPUT: str(record.splits) if record and record.splits is not None else "",
        NEXT_OUTPUT: record.next[0] if record and len(record.next) == 1 else "",
    }


@dataclass(frozen=True)
class _Attempt:
    """An attempt that is claimed."""

    command: TaskCommand
    flow_class: type[FlowSpec]
    place: Place
    number: int
    started: float
    settings: Settings
    watcher: Watcher

    @property
    def step(self) -> Step:
        return self.place.graph[self.command.step]

    def failed(self, error: BaseException) -> TaskRecord:
        """The record of an attempt that did not come to the user's code."""
        return self._record(failure=_told(error))

    def run(self, fixed: Mapping[str, Ref]) -> TaskRecord:
        """Run the user's code, save what it left, and return the record; *fixed* is what the start step begins with."""
        try:
            scopes = Scopes(self.place, fixed)
            flow = self.flow_class(use_cli=False)
            begin_task(flow, scopes.own)
            arguments = (scopes.inputs(self.flow_class),) if self.step.is_join else ()
        except MetaflowHeraError as problem:
            return self.failed(problem)
        catching = Catching.of(self.step, self.command)
        task = self._surrounded(flow, scopes)
        error = catching.instead or self._run_step(flow, arguments, task)
        record = self._saved(flow, scopes, catching, error)
        for conclude in task.afterwards:
            conclude(record)
        return record

    def _surrounded(self, flow: FlowSpec, scopes: Scopes) -> Surrounded:
        return Surrounded(
            command=self.command,
            flow=flow,
            place=self.place,
            attempt=self.number,
            fixed=scopes.fixed,
            settings=self.settings,
            watcher=self.watcher,
        )

    def _run_step(self, flow: FlowSpec, arguments: tuple[Inputs, ...], task: Surrounded) -> BaseException | None:
        """Run the user's code; return what it raised."""
        limit = decorator_of(self.step, timeout)
        enter(self._facts())
        process, error = os.getpid(), None
        try:
            with surrounded(task), interruptible(self.step.name, limit.total_seconds if limit else 0):
                _call(flow, self.step, arguments)
            check_transition(self.step, transition(flow))
        except BaseException as raised:  # noqa: BLE001  (the user's code may raise anything, and all of it is recorded)
            error = raised
        if os.getpid() != process:
            from metaflow_hera.runtime.leaving import end_copy  # hardly a step forks

            end_copy(error)
        leave()
        return error

    def _saved(self, flow: FlowSpec, scopes: Scopes, catching: Catching, error: BaseException | None) -> TaskRecord:
        store = self.place.store
        inherited = scopes.inherited(flow)
        beside = (*scopes.fixed.values(), *inherited.values())
        saved, refused = save_what_can_be(store, changes(flow), beside)
        error = error or refused
        sys.stderr.write(told_of_changes(self.step.name, scopes.changed_in_place()))
        call = transition(flow) if error is None else None
        following = call.targets if call else ()
        failure = None
        if error is not None and catching.catches(error):
            caught = failure_of(error)
            sys.stderr.write(catching.text(flow, caught))
            saved |= save_all(store, catching.artifact(caught), (*beside, *saved.values()))
            following = self.step.targets
        elif error is not None:
            failure = _told(error)
        else:
            saved |= save_all(store, catching.artifact(None), (*beside, *saved.values()))
        return self._record(
            failure=failure,
            next=following,
            splits=call.splits if call else None,
            frames=self.place.frames,
            parents=tuple(pathspec(each.step, each.path, each.attempt) for each in self.place.parents),
            parameters=scopes.fixed,
            artifacts={**inherited, **saved},
        )

    def _record(self, *, failure: Failure | None, **facts: Any) -> TaskRecord:
        return TaskRecord(
            step=self.step.name,
            path=self.command.path,
            attempt=self.number,
            status=TaskStatus.FAILED if failure else TaskStatus.SUCCEEDED,
            started=self.started,
            finished=time.time(),
            failure=failure,
            **facts,
        )

    def _facts(self) -> TaskFacts:
        command = self.command
        user = command.user or self.settings.user
        return TaskFacts(
            flow_name=command.flow,
            run_id=command.run,
            step_name=command.step,
            task_id=command.path,
            retry_count=self.number,
            origin_run_id=command.origin or None,
            username=user,
            namespace=command.namespace or own_tag(command.production, user),
            tags=frozenset(command.tags),
            parameter_names=tuple(given_of(self.flow_class)),
        )


def _call(flow: FlowSpec, step: Step, arguments: Sequence[Any]) -> None:
    """Run the user's step, within the decorators that are the user's own."""
    specs = written_on(getattr(type(flow), step.name))
    if all(spec.kind is None for spec in specs):
        getattr(flow, step.name)(*arguments)
        return
    from metaflow_hera.runtime.wrapping import run_wrapped  # which hardly a step has

    run_wrapped(flow, step, arguments, specs)


def _told(error: BaseException) -> Failure:
    """*error* as text, after the user saw it."""
    failure = failure_of(error)
    sys.stderr.write(told(error, failure))
    return failure
