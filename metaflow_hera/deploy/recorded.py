"""Runs as their records tell, whoever ran them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from metaflow_hera.backends import NodeStatus, Phase, RunStatus
from metaflow_hera.errors import StoreError, UnknownRunError
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.naming import RunKeys, pathspec
from metaflow_hera.records import runs as run_records
from metaflow_hera.records import tasks
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import Claim, Failure, TaskRecord, TaskStatus
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store
from metaflow_hera.store.parallel import each

SHOWN = 12
"""How many names an error lists."""

OURS = "metaflow_hera."
"""What the type of an error that we raise begins with; its text is a whole message."""


@dataclass(frozen=True, kw_only=True)
class FailedTask:
    """A task that did not succeed in any attempt, and what its last attempt left."""

    pathspec: str
    attempts: int
    failure: Failure | None

    @property
    def reason(self) -> str:
        """What was raised, in a line."""
        if self.failure is None:
            return "nothing has told why"
        text = self.failure.text.partition("\n")[0]
        is_ours = self.failure.type.startswith(OURS)
        return text if is_ours or not text else f"{self.failure.type}: {text}"


def open_records(settings: Settings) -> Store:
    return open_store(settings.datastore, settings)


def failed_tasks(flow: str, run: str, settings: Settings) -> list[FailedTask]:
    """The tasks of a run that failed for good, in the order of its steps."""
    store = open_records(settings)
    found = []
    for step, path, attempts in _unfinished(store, RunKeys(flow, run)):
        last = attempts[-1][2]
        if last is not None and last.status is TaskStatus.FAILED:
            place = pathspec(flow, run, step, path)
            found.append(FailedTask(pathspec=place, attempts=len(attempts), failure=last.failure))
    return found


def step_ranks(store: Store, keys: RunKeys) -> dict[str, int]:
    """The place of each step in the order of the run's graph; empty for a run that has not begun."""
    record = run_records.read(store, keys.flow, keys.run)
    order = from_json(record.graph).order if record is not None and record.graph else ()
    return {step: rank for rank, step in enumerate(order)}


def _steps(store: Store, keys: RunKeys) -> list[str]:
    """The steps that began, in the order of the graph."""
    ranks = step_ranks(store, keys)
    return sorted(tasks.steps(store, keys), key=lambda step: ranks.get(step, len(ranks)))


def missing(store: Store, keys: RunKeys, step: str, path: str = "") -> str:
    """What there is instead of a step, or of a task of it: part of a sentence."""
    steps = _steps(store, keys)
    if path and step in steps:
        return _there(f"tasks of {step}", tasks.paths(store, keys, step))
    in_graph = list(step_ranks(store, keys))
    return _there("steps that have begun" if step in in_graph else "steps", steps if step in in_graph else in_graph)


def _there(what: str, names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what} are {', '.join(names[:SHOWN])}{more}" if names else f"there are no {what}"


Attempts = list[tuple[int, Claim, TaskRecord | None]]


def _unfinished(store: Store, keys: RunKeys) -> Iterator[tuple[str, str, Attempts]]:
    for step, path, record, attempts in _places(store, keys):
        if record is None:
            yield step, path, attempts


def brief_status(record: RunRecord, end: EndRecord | None) -> RunStatus:
    began = datetime.fromtimestamp(record.created, UTC)
    status = RunStatus(
        run=record.run,
        deployment=record.deployment,
        flow=record.flow,
        phase=Phase.RUNNING,
        created=began,
        started=began,
    )
    return ended_status(status, end) if end else status


def ended_status(status: RunStatus, end: EndRecord) -> RunStatus:
    """The status of a run that ended like this."""
    finished = datetime.fromtimestamp(end.finished, UTC)
    return replace(status, phase=Phase(end.status), message=end.message, finished=finished, is_suspended=False)


def recorded_status(store: Store, flow: str, run: str) -> RunStatus:
    record = run_records.read(store, flow, run)
    if record is None:
        raise UnknownRunError(f"there is no run {flow}/{run} in {store.uri}; `mfhera runs {flow}` shows those that are")
    keys = RunKeys(flow, run)
    nodes = tuple(_nodes(store, keys))
    return replace(brief_status(record, end_of(store, record)), nodes=nodes)


def end_of(store: Store, record: RunRecord) -> EndRecord | None:
    """How a run ended; of a local run whose process is gone without a word, that is written down now."""
    held = run_records.read_end(store, record.flow, record.run)
    if held is not None or not record.runner or record.host != os.uname().nodename or _is_alive(record.runner):
        return held
    message = f"its runner, process {record.runner} on {record.host}, was killed"
    end = EndRecord(status=Phase.FAILED, finished=datetime.now(UTC).timestamp(), message=message)
    return run_records.end(store, record.flow, record.run, end)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, but there
    return True


def record_end(status: RunStatus, settings: Settings) -> None:
    """Write down that a run has ended, if its backend knows and its records do not: whatever killed it kept it from it.

    A run without any record stays so: nobody asks the records for it.
    """
    if not status.phase.is_final:
        return
    with suppress(StoreError):  # who may not use the datastore, or cannot reach it, still sees how it ended
        store = open_records(settings)
        is_known = run_records.read(store, status.flow, status.run) is not None
        if is_known and run_records.read_end(store, status.flow, status.run) is None:
            finished = status.finished or datetime.now(UTC)
            end = EndRecord(status=status.phase, finished=finished.timestamp(), message=status.message)
            run_records.end(store, status.flow, status.run, end)


def _nodes(store: Store, keys: RunKeys) -> Iterator[NodeStatus]:
    return (
        _done(record) if record else _open(step, path, attempts)
        for step, path, record, attempts in _places(store, keys)
    )


def _places(store: Store, keys: RunKeys) -> Iterator[tuple[str, str, TaskRecord | None, Attempts]]:
    """Every task that began, in the order of the graph: its success, or else all of its attempts."""
    steps = _steps(store, keys)
    listed = each(store, lambda step: tasks.paths(store, keys, step), steps)
    places = [(step, path) for step, paths in zip(steps, listed, strict=True) for path in paths]
    done = dict(zip(places, each(store, lambda place: tasks.find(store, keys, *place), places), strict=True))
    rest = [place for place in places if done[place] is None]
    attempts = dict(zip(rest, each(store, lambda place: tasks.attempts(store, keys, *place), rest), strict=True))
    return ((*place, done[place], attempts.get(place, [])) for place in places)


def _done(record: TaskRecord) -> NodeStatus:
    return NodeStatus(
        name=f"{record.step}/{record.path}",
        step=record.step,
        path=record.path,
        phase=Phase.SUCCEEDED,
        attempts=record.attempt + 1,
        started=datetime.fromtimestamp(record.started, UTC),
        finished=datetime.fromtimestamp(record.finished, UTC),
    )


def _open(step: str, path: str, attempts: Attempts) -> NodeStatus:
    """A task that has not succeeded: it runs, or its last attempt failed."""
    record = attempts[-1][2] if attempts else None
    failure = record.failure if record else None
    return NodeStatus(
        name=f"{step}/{path}",
        step=step,
        path=path,
        phase=Phase.FAILED if record else Phase.RUNNING,
        attempts=len(attempts),
        message=f"{failure.type}: {failure.text}" if failure else "",
        started=datetime.fromtimestamp(attempts[0][1].started, UTC) if attempts else None,
        finished=datetime.fromtimestamp(record.finished, UTC) if record else None,
    )
