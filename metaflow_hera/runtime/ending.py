"""How a run ended, written by the workflow's exit handler; after success the end step has done so already."""

from __future__ import annotations

import time
from collections.abc import Iterator

from metaflow_hera.command import ExitCommand
from metaflow_hera.naming import CLAIM, RunKeys, own_tags
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import TaskRecord, TaskStatus
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each


def end_run(command: ExitCommand, store: Store) -> EndRecord:
    """Write the status of a run, with the first failure in it as the reason; return what holds.

    Whoever comes again, because its pod was taken away, writes the same.
    """
    now = time.time()
    # A run whose first container never started has no record yet, and must be seen all the same.
    begun = RunRecord(
        flow=command.flow,
        run=command.run,
        created=now,
        user=command.user,
        code=command.code,
        system_tags=own_tags(command.production, command.user),
    )
    runs.begin(store, begun)
    held = runs.read_end(store, command.flow, command.run)
    finished = held.finished if held and held.status == command.status else now
    succeeded = command.status == runs.SUCCEEDED
    message = "" if succeeded else failure_message(store, RunKeys(command.flow, command.run))
    end = EndRecord(status=command.status, finished=finished, message=message)
    return runs.end(store, command.flow, command.run, end)


def failure_message(store: Store, keys: RunKeys) -> str:
    """Which task of a run failed first, and why, in one line; and how many others did."""
    latest = dict(sorted(_attempts(store, keys)))
    found = each(store, lambda task: tasks.read(store, keys, *task, latest[task]), tuple(latest))
    failed = sorted(
        (record for record in found if record and record.status is TaskStatus.FAILED),
        key=lambda record: record.finished,
    )
    if failed:
        more = f" (and {len(failed) - 1} other tasks failed)" if len(failed) > 1 else ""
        return _told(failed[0]) + more
    lost = [task for task, record in zip(latest, found, strict=True) if record is None]
    if lost:
        step, path = lost[0]
        return f"step {step!r}, task {path}: its container was killed before it could say why"
    return "no task left a failure: a container could not be started, or the run was stopped between two tasks"


def attempts_begun(store: Store, keys: RunKeys) -> int:
    """How many attempts of tasks the run has had so far."""
    return sum(1 for _ in _attempts(store, keys))


def _attempts(store: Store, keys: RunKeys) -> Iterator[tuple[tuple[str, str], int]]:
    """Step, path and number of each attempt that began."""
    for key in store.keys(keys.prefix):
        parts = key.removeprefix(keys.prefix).split("/")
        if len(parts) == 4 and parts[3] == CLAIM:
            yield (parts[0], parts[1]), int(parts[2])


def _told(record: TaskRecord) -> str:
    assert record.failure is not None
    lines = record.failure.text.splitlines()
    return f"step {record.step!r}, task {record.path}: {record.failure.type}: {lines[0] if lines else ''}"
