"""What is known of an attempt besides its artifacts and logs, under the names that the peer's users look for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from metaflow_hera.naming import workflow_of_run
from metaflow_hera.records.run import RunRecord
from metaflow_hera.records.task import Claim, Frame, TaskRecord, TaskStatus
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.client.task import Task


class Metadata(NamedTuple):
    """One fact of an attempt."""

    name: str
    value: str
    created_at: datetime
    type: str
    task: Task


def facts_of_run(run: RunRecord, store: Store) -> Iterator[tuple[str, str]]:
    """What holds for all tasks of a run."""
    yield "ds-type", kind_of(store)
    yield "ds-root", store.uri
    yield "runtime", runtime_of(run)
    yield "user", run.user
    if run.origin:
        yield "origin-run-id", run.origin
    if run.code:
        yield "code-package", json.dumps({"ds_type": kind_of(store), "location": run.code, "script": run.file})
    if workflow := workflow_of_run(run.run):
        yield "argo-workflow-template", run.deployment
        yield "argo-workflow-name", workflow
    if run.triggers:
        causes = [(cause.type, cause.name, cause.id, cause.timestamp) for cause in run.triggers]
        yield "execution-triggers", json.dumps(causes)
    if run.graph:
        yield "start_step", str(run.graph["start"])
        yield "end_step", str(run.graph["end"])


def facts_of_attempt(number: int, claim: Claim | None, record: TaskRecord | None) -> Iterator[tuple[str, str]]:
    """What only this attempt of a task knows."""
    yield "attempt", str(number)
    if claim is not None:
        yield from (("host", claim.host), ("pid", str(claim.pid)))
        if claim.user:
            yield "user", claim.user
    if record is None:
        return
    yield "attempt_ok", str(record.status is TaskStatus.SUCCEEDED)
    yield "attempt-done", str(number)
    if record.frames:
        stack = [(frame.step, frame.over, frame.index, frame.count) for frame in record.frames]
        yield "foreach-stack", json.dumps(stack)
        yield "foreach-execution-path", ",".join(map(_place, record.frames))
    if record.origin:
        yield "origin-task-id", record.path


def _place(frame: Frame) -> str:
    return f"{frame.step}:{frame.index}"


def kind_of(store: Store) -> str:
    return "s3" if store.uri.startswith("s3://") else "local"


def runtime_of(run: RunRecord) -> str:
    """``dev`` or ``argo-workflows``: what it is tagged with."""
    return _tagged(run, "runtime:") or "dev"


def environment_of(run: RunRecord) -> Mapping[str, str]:
    """In what a run ran."""
    return {
        "environment_type": "local",
        "flow": run.flow,
        "script": run.file,
        "runtime": runtime_of(run),
        "python_version": _tagged(run, "python_version:"),
        "metaflow_version": _tagged(run, "metaflow_version:"),
        "username": run.user,
    }


def _tagged(run: RunRecord, prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in run.system_tags if tag.startswith(prefix)), "")
