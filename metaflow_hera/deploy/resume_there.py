"""Runs of a backend that go on where another one failed: with the code that it had, or with that of today.

The record of the new run, and all that it takes over, are written before the backend hears of it; and before that, that
it has failed, which is taken back when it is submitted. So whoever dies in between leaves a run that is seen to have
failed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from metaflow_hera.backends import Backend, RunStatus
from metaflow_hera.backends.open import open_backend
from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.one_off import compiled_for_a_run, upload
from metaflow_hera.deploy.resume import causes_of
from metaflow_hera.deploy.resumption import (
    CurrentCode,
    Resumption,
    graph_of,
    new_arguments,
    refuse_unresumable,
    with_code_of,
)
from metaflow_hera.deploy.rights import deployed_as
from metaflow_hera.deploy.runs import locate
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.deployment_names import fresh_workflow_name
from metaflow_hera.errors import BackendError, UnknownRunError, UsageError
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import pathspec, workflow_of_run, workflow_run_id
from metaflow_hera.plan.one_off import command_of, one_off, with_workers
from metaflow_hera.plan.pruning import whole, without_done
from metaflow_hera.plan.records import Parameter, Plan
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.tags import check as check_tags
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

NOT_SUBMITTED = "it was never submitted: what was to resume another run was interrupted"


def resume_deployed(
    target: str,
    settings: Settings,
    step: str | None = None,
    *,
    tags: Sequence[str] = (),
    max_workers: int | None = None,
) -> TriggeredRun:
    """Go on with a run of the backend, ``[Flow/]argo-…``, by the code that it had; its source is not needed."""
    check_tags(tags)
    flow, run, rest = locate(target, settings)
    if workflow_of_run(run) is None or rest:
        raise UsageError(f"{target!r} is no run of a backend; of one of this machine give the flow's file")
    backend = open_backend(settings)
    _ended(run, backend)
    plan = _plan_of(flow, run, backend, settings)
    told = command_of(plan)
    settings = replace(settings, datastore=told.store)
    store = open_store(told.store, settings)
    origin = runs.read(store, flow, run)
    if origin is None:
        raise UnknownRunError(f"run {pathspec(flow, run)} has left nothing in {store.uri} that could be resumed")
    graph = graph_of(origin)
    refuse_unresumable(origin, graph, store, step)
    resumed = Resumed(run=_new_run(plan), origin=origin, user=settings.user, tags=tuple(tags))
    record = with_code_of(origin, resumed.command(told, graph.start))
    plan = resumed.plan(plan if max_workers is None else with_workers(plan, max_workers))
    resumption = Resumption(origin=origin, graph=graph, store=store, record=lambda: record, again=step)
    return _submit(plan, resumption, resumed.run, backend, settings)


def resume_source(
    flow: CheckedFlow,
    origin: RunRecord,
    choices: Choices,
    settings: Settings,
    step: str | None = None,
    tell: Tell = silent,
) -> TriggeredRun:
    """Go on, on the backend, with a run of any place by the code of today."""
    store = open_store(settings.datastore, settings)
    refuse_unresumable(origin, flow.graph, store, step)
    new = new_arguments(flow, origin, settings)
    backend = open_backend(settings)
    before = _ended(origin.run, backend)
    compiled = compiled_for_a_run(flow, choices, settings, tell)
    resumed = Resumed(run=_new_run(compiled.plan), origin=origin, user=settings.user, tags=choices.tags)
    plan = replace(resumed.plan(compiled.plan, deployment=""), parameters=_parameters_of(before))
    told = resumed.command(command_of(plan), flow.graph.start)
    record = CurrentCode(flow=flow, origin=origin, store=store, new=new, command=told)
    resumption = Resumption(origin=origin, graph=flow.graph, store=store, record=record, again=step)
    upload(compiled, settings, tell)
    new.upload(store)
    return _submit(plan, resumption, resumed.run, backend, settings)


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """What a new run and its tasks know of how they came to be."""

    run: str
    origin: RunRecord
    user: str
    tags: tuple[str, ...]

    def command(self, told: TaskCommand, start: str) -> TaskCommand:
        """What the first task is told."""
        changed = replace(told, origin=self.origin.run, user=self.user, tags=self.tags)
        return replace(changed, run=self.run, step=start, path="0", repeats="", attempt="0")

    def plan(self, plan: Plan, **told: str) -> Plan:
        causes = causes_of(self.origin)
        return one_off(plan, origin=self.origin.run, user=self.user, tags=self.tags, triggers=causes, **told)


def _new_run(plan: Plan) -> str:
    """An id that nobody else has, for what is written before the backend knows the run."""
    return workflow_run_id(fresh_workflow_name(plan.name))


def _submit(plan: Plan, resumption: Resumption, run: str, backend: Backend, settings: Settings) -> TriggeredRun:
    """Write what is taken over, and start what is left of the plan."""
    flow, store = resumption.graph.flow, resumption.store
    left = without_done(plan, resumption.done)
    if left is None:
        origin = pathspec(flow, resumption.origin.run)
        raise UsageError(f"all of run {origin} has succeeded; name a step to run it and what follows again")
    pending = EndRecord(status=runs.FAILED, finished=time.time(), message=NOT_SUBMITTED)
    runs.end(store, flow, run, pending)
    resumption.begin()
    try:
        backend.submit(left, {}, run)
    except BackendError as error:
        runs.end(store, flow, run, replace(pending, message=f"it could not be submitted: {error}"))
        raise
    runs.take_back(store, flow, run, pending)
    return TriggeredRun(run_id=run, name="", flow=flow, backend=backend, settings=settings)


def _plan_of(flow: str, run: str, backend: Backend, settings: Settings) -> Plan:
    """The whole plan that a run was started with; that of its deployment if the run itself is gone."""
    try:
        return whole(backend.plan(run))
    except UnknownRunError as error:
        origin = runs.read(open_store(settings.datastore, settings), flow, run)
        deployed = deployed_as(origin.deployment, backend) if origin else None
        if origin is None or deployed is None or deployed.plan.annotations.get(Annotations.CODE) != origin.code:
            raise UnknownRunError(
                f"run {pathspec(flow, run)} is gone from the backend {backend.name!r}, and what is deployed has other "
                f"code; resume it with its source: mfhera resume flow.py --origin-run-id {run} --backend {backend.name}"
            ) from error
        return deployed.plan


def _parameters_of(before: RunStatus | None) -> tuple[Parameter, ...]:
    """To be shown: tasks find the parameters in the record of their run."""
    values = before.parameters if before is not None else {}
    return tuple(Parameter(name=name, value=value) for name, value in values.items())


def _ended(run: str, backend: Backend) -> RunStatus | None:
    """How the backend knows it, if it does; `UsageError` if it runs: two runs at once would do the same."""
    if workflow_of_run(run) is None:
        return None
    try:
        status = backend.run(run)
    except UnknownRunError:
        return None
    if not status.phase.is_final:
        raise UsageError(
            f"run {run} has not ended, it is {status.phase}; wait for it, or end it: mfhera terminate {run}"
        )
    return status
