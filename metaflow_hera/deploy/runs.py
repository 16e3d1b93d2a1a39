"""Runs, wherever they ran: those of deployments by their backend, those of this machine by their records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from metaflow_hera.backends import Backend, RunStatus
from metaflow_hera.backends.absent import some_of
from metaflow_hera.backends.open import open_backend
from metaflow_hera.client import Run
from metaflow_hera.deploy.gone import end_if_gone
from metaflow_hera.deploy.recorded import (
    brief_status,
    end_of,
    ended_status,
    missing,
    open_records,
    record_end,
    recorded_status,
)
from metaflow_hera.deploy.rights import deployed_as
from metaflow_hera.errors import NotDeployedError, UnknownRunError, UsageError
from metaflow_hera.event_names import event_payloads
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import RunKeys, pathspec, workflow_of_run
from metaflow_hera.records import runs as run_records
from metaflow_hera.records.run import EndRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each

LIVE = 1000
"""How many runs of the backend are looked at for those that have no record yet."""


def locate(target: str, settings: Settings) -> tuple[str, str, tuple[str, ...]]:
    """The flow, the run and what follows of ``[Flow/]run[/step[/task]]``; `UnknownRunError` if nobody knows the run."""
    first, *rest = target.strip("/").split("/")
    if workflow_of_run(first) is None and not first.isdecimal():
        if not rest:
            raise UsageError(f"{target!r} is no run; give an id that `mfhera runs` shows, or Flow/id")
        flow, run, *place = first, *rest
        _check_flow(flow, run, settings)
    else:
        flow, run, *place = _flow_of(first, settings), first, *rest
    if len(place) > len(("step", "task")):
        raise UsageError(f"{target!r} goes on after the task; write [Flow/]run[/step[/task]]")
    return flow, run, tuple(place)


def status(target: str, settings: Settings) -> RunStatus:
    """How far a run has come; of ``[Flow/]run/step[/task]``, with these tasks alone."""
    flow, run, rest = locate(target, settings)
    found = _status(flow, run, settings)
    if not rest:
        return found
    step, path, *_ = (*rest, "")
    nodes = tuple(node for node in found.nodes if node.step == step and path in ("", node.path))
    if not nodes:
        there = missing(open_records(settings), RunKeys(flow, run), step, path)
        raise UnknownRunError(f"nothing of {pathspec(flow, run, *rest)} has begun: {there}; see `mfhera status {run}`")
    return replace(found, nodes=nodes)


def _status(flow: str, run: str, settings: Settings) -> RunStatus:
    if workflow_of_run(run) is not None:
        backend = open_backend(settings)
        try:
            found = backend.run(run)
        except UnknownRunError:
            _end_if_gone(flow, run, settings)  # its records tell the rest
        else:
            record_end(found, settings)
            return _as_begun(found, backend)
    return recorded_status(open_records(settings), flow, run)


def _as_begun(found: RunStatus, backend: Backend) -> RunStatus:
    if not event_payloads(found.parameters):
        return found
    from metaflow_hera.deploy.started_by_events import with_values_of_events  # few runs are started by events

    return with_values_of_events(found, backend)


def _end_if_gone(flow: str, run: str, settings: Settings) -> EndRecord | None:
    store = open_records(settings)
    record = run_records.read(store, flow, run)
    return None if record is None else end_if_gone(store, record, open_backend(settings))


def list_runs(name: str | None, settings: Settings, limit: int) -> list[RunStatus]:
    """The newest runs of a deployment or a flow, or of all; `NotDeployedError` for a name that is neither.

    What is a flow and a deployment names the runs of both.
    """
    backend = open_backend(settings)
    store = open_records(settings)
    flow = _flow_of_name(name, settings) if name else None
    live = {status.run: status for status in islice(backend.runs(), LIVE) if _is_of(status, name)}
    recorded = [
        _unless_gone(status, live, settings)
        for one in _flows(store, flow)
        for status in islice(_recorded(store, one, name, live, limit), limit)
    ]
    known = {status.run for status in recorded}
    found = [*recorded, *(status for run, status in live.items() if run not in known)]
    if name and not found:
        _refuse_unknown(name, store, settings)
    return sorted(found, key=lambda status: status.created, reverse=True)[:limit]


def _is_of(status: RunStatus, name: str | None) -> bool:
    return name in (None, status.flow, status.deployment)


def _recorded(store: Store, flow: str, name: str | None, live: dict[str, RunStatus], chunk: int) -> Iterator[RunStatus]:
    """The runs of a flow, or those of its deployment of that name, the newest first; *chunk* records read at once."""
    ids = run_records.run_ids(store, flow)
    if name not in (None, flow):  # runs of a deployment begin with its name, so no other needs to be read
        ids = (run for run in ids if (workflow_of_run(run) or "").startswith(f"{name}-"))
    while keys := [RunKeys(flow, run) for run in islice(ids, chunk)]:
        found = each(store, lambda key: _brief(store, key, live), keys)
        yield from (status for status in found if status is not None and _is_of(status, name))


def _unless_gone(status: RunStatus, live: dict[str, RunStatus], settings: Settings) -> RunStatus:
    """The status, or that of the end that is written now, since the run's Workflow is gone."""
    if status.phase.is_final or status.run in live or workflow_of_run(status.run) is None:
        return status
    end = _end_if_gone(status.flow, status.run, settings)
    return ended_status(status, end) if end else status


def client_run(flow: str, run: str, settings: Settings) -> Run | None:
    """The run as the Client sees it, whatever its namespace; None if it has not begun."""
    store = open_records(settings)
    if run_records.read(store, flow, run) is None:
        return None
    return Run(pathspec(flow, run), store=store, namespace_check=False)


def _flow_of(run: str, settings: Settings) -> str:
    """The flow of a run that is given by its id alone."""
    if workflow_of_run(run) is not None:
        try:
            return open_backend(settings).run(run).flow
        except UnknownRunError:
            pass  # its records may still be there
    store = open_records(settings)
    for flow in run_records.flows(store):
        if run_records.read(store, flow, run) is not None:
            return flow
    raise UnknownRunError(
        f"there is no run {run} in {settings.datastore}, and the backend knows none; see `mfhera runs`"
    )


def _check_flow(flow: str, run: str, settings: Settings) -> None:
    """Refuse a run that nobody knows, or that is one of another flow."""
    if run_records.read(open_records(settings), flow, run) is not None:
        return
    try:
        found = _flow_of(run, settings)
    except UnknownRunError:
        found = ""
    if found != flow:
        known = f" (that run is one of {found})" if found else ""
        raise UnknownRunError(
            f"there is no run {flow}/{run} in {settings.datastore}{known}; `mfhera runs` shows those that are"
        )


def _refuse_unknown(name: str, store: Store, settings: Settings) -> None:
    """`NotDeployedError` for a name that is no deployment; no flow of that name has a run, either."""
    backend = open_backend(settings)
    deployed = [deployment.name for deployment in backend.deployments()]
    if name not in deployed:
        flows = some_of(run_records.flows(store), name, "`mfhera runs`") or "none"
        raise NotDeployedError(
            f"there is no flow or deployment {name!r}: flows that ran in {store.uri} are {flows}; "
            f"deployed are {some_of(deployed, name, '`mfhera list`') or 'none'}"
        )


def _flow_of_name(name: str, settings: Settings) -> str:
    backend = open_backend(settings)
    deployment = deployed_as(name, backend)
    if deployment is None:
        return next((status.flow for status in backend.runs(name)), name)  # its runs outlive a deployment
    return deployment.plan.annotations.get(Annotations.FLOW, name)


def _flows(store: Store, flow: str | None) -> list[str]:
    return [flow] if flow else run_records.flows(store)


def _brief(store: Store, keys: RunKeys, live: dict[str, RunStatus]) -> RunStatus | None:
    """A run without its tasks; None for one whose record is gone."""
    record = run_records.read(store, keys.flow, keys.run)
    if record is None:
        return None
    end = end_of(store, record)
    known = live.get(keys.run)
    if known is None:
        return brief_status(record, end)
    # The end is written before the backend tells it; when it began does not change by that.
    return known if end is None or known.phase.is_final else ended_status(known, end)
