"""Runs that go on where another one failed, or from a step that is to be run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from metaflow_hera.client.objects import nearest
from metaflow_hera.command import TaskCommand
from metaflow_hera.default_settings import DEPLOYED_WORKERS, LOCAL_WORKERS
from metaflow_hera.deploy.arguments import Arguments
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.local import LocalChoices, LocalRun, Unheard, local_options
from metaflow_hera.deploy.resumption import CurrentCode, Resumption, new_arguments, refuse_unresumable
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.success import ended
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.project import BRANCH_TAG
from metaflow_hera.naming import local_run_id
from metaflow_hera.plan.compile import compile_plan
from metaflow_hera.records import runs
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.codec import encode
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store
from metaflow_hera.store.parallel import each

if TYPE_CHECKING:
    from metaflow_hera.client import Run

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
    store = open_store(settings.datastore, settings)
    refuse_unresumable(origin, flow.graph, store, step)
    new = new_arguments(flow, origin, settings)
    run = local_run_id()
    told = TaskCommand(
        flow=flow.name,
        file=flow.file_name,
        step=flow.graph.start,
        run=run,
        path="0",
        store=store.uri,
        user=settings.user,
        tags=choices.tags,
        origin=origin.run,
    )
    record = CurrentCode(flow=flow, origin=origin, store=store, new=new, command=told)
    options = replace(local_options(flow, choices, settings, store, run), origin=origin.run, triggers=causes_of(origin))
    return LocalRun(
        run_id=run,
        flow=flow,
        plan=compile_plan(flow.graph, options),
        store=store,
        settings=settings,
        arguments=Arguments({}, new.files),
        choices=choices,
        take_over=Resumption(origin=origin, graph=flow.graph, store=store, record=record, again=step).begin,
    )


def causes_of(origin: RunRecord) -> tuple[str, ...]:
    """What started a run besides its user, as a `TaskCommand` has it."""
    return tuple(encode(cause).decode() for cause in origin.triggers)


def resume(
    flow: FlowLike,
    step: str | None = None,
    /,
    *,
    origin_run_id: str | None = None,
    backend: str | None = None,
    max_workers: int | None = None,
    with_: Sequence[str] = (),
    tags: Sequence[str] = (),
    settings: Settings | None = None,
    check: bool = True,
) -> Run:
    """Go on, in a new run on this machine, where a run failed, or from *step*: the user's latest run by default.

    With *backend* the new run is there. `TriggeredRun.resume` goes on with the code that a run of a backend had.
    `RunFailedError` if the new run did not succeed; without *check* it is returned however it ended.
    """
    settings = settings or Settings.load()
    checked, origin = check_resumed(flow, origin_run_id, settings, with_=with_)
    if backend is not None:
        from metaflow_hera.deploy.one_off import on_backend  # a run on this machine needs none
        from metaflow_hera.deploy.resume_there import resume_source  # the same

        there = Choices(max_workers=max_workers or DEPLOYED_WORKERS, tags=tuple(tags))
        return resume_source(checked, origin, there, on_backend(settings, backend), step).wait(check=check)
    choices = LocalChoices(max_workers=max_workers or LOCAL_WORKERS, tags=tuple(tags))
    ready = prepare_resume(checked, origin, choices, settings, step)
    ready.with_exit_hooks(Unheard())
    return ended(ready.pathspec, ready.store, settings, check=check)
