"""The rows of the engine's database as what every backend tells of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from metaflow_hera.backends import NodeStatus, Phase, RunStatus
from metaflow_hera.engine.scheduler import ON_EXIT
from metaflow_hera.engine.stored import StoredPod, StoredRun
from metaflow_hera.naming import workflow_run_id

RETRY: Final = "waits to be tried again"


def run_status(run: StoredRun, pods: Iterable[StoredPod] = (), *, message: str = "") -> RunStatus:
    """*message* stands in for that of the run, which has one only when it has ended."""
    return RunStatus(
        run=workflow_run_id(run.workflow),
        deployment=run.deployment,
        flow=run.flow,
        phase=run.phase,
        message=run.message or message,
        created=_time(run.created),
        started=None if run.started is None else _time(run.started),
        finished=None if run.finished is None else _time(run.finished),
        parameters=run.parameters,
        nodes=tuple(_nodes(run, pods)),
        is_suspended=run.is_suspended and not run.phase.is_final,
    )


def _nodes(run: StoredRun, pods: Iterable[StoredPod]) -> Iterator[NodeStatus]:
    """One for each task, in the order in which they began; the exit handler is none."""
    order: dict[str, list[StoredPod]] = {}
    for pod in pods:
        if not pod.node.startswith(f"{run.workflow}{ON_EXIT}"):
            order.setdefault(pod.node, []).append(pod)
    return (_node(run, attempts) for attempts in order.values())


def _node(run: StoredRun, attempts: list[StoredPod]) -> NodeStatus:
    first, last = attempts[0], attempts[-1]
    goes_on = not (run.phase.is_final or run.is_terminated or run.is_stopped)
    waits = last.phase.is_bad and last.may_retry and goes_on
    return NodeStatus(
        name=last.node,
        step=last.step,
        path=last.path,
        phase=Phase.PENDING if waits else last.phase,
        attempts=len(attempts),
        message=f"{last.message}; {RETRY}" if waits else last.message,
        started=_time(first.started),
        finished=None if last.finished is None or waits else _time(last.finished),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
