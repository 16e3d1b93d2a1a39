"""What the store has not: why tasks wait, and what pods printed in which our own code never began."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from metaflow_hera.backends import Backend, NodeStatus, Phase, RunStatus
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.pods import hint_of_lines
from metaflow_hera.errors import BackendError
from metaflow_hera.naming import workflow_of_run
from metaflow_hera.settings import Settings

SHOWN = 20
"""Tasks whose pods are asked: a run that fails at once may have thousands, all for one reason."""

Place = tuple[str, str, int]
"""Step, path and attempt."""


@dataclass(frozen=True)
class PodLogs:
    """Of one run of a deployment, each line told once."""

    backend: Backend
    run: str
    _told: set[tuple[str, str]] = field(default_factory=set)

    def lines(self, status: RunStatus, recorded: Collection[Place]) -> Iterator[tuple[Place, str]]:
        """What is new at this status; of attempts that are *recorded* the store has it."""
        for node in self._new(status):
            yield place_of(node), f"waits: {node.message}; {node.hint}"
        for node in islice(_unrecorded(status, recorded), SHOWN):
            if (node.name, node.phase) not in self._told:
                self._told.add((node.name, node.phase))
                printed = self._printed(node)
                last = "; ".join(filter(None, (node.message, node.hint or hint_of_lines(printed))))
                for line in (*printed, last):
                    yield place_of(node), line

    def _printed(self, node: NodeStatus) -> list[str]:
        """What its pod printed, or why that cannot be had: who may not read pods still sees all the rest."""
        try:
            return [*self.backend.pod_log(self.run, node.name)]
        except BackendError as error:
            return [str(error)]

    def _new(self, status: RunStatus) -> Iterator[NodeStatus]:
        for node in status.nodes:
            if node.phase is Phase.PENDING and node.hint and (node.name, node.hint) not in self._told:
                self._told.add((node.name, node.hint))
                yield node


def pod_logs(run: str, settings: Settings) -> tuple[PodLogs, RunStatus] | None:
    """None for a run that no backend knows, or can be asked for: what is in the store can be read all the same."""
    if workflow_of_run(run) is None:
        return None
    with suppress(BackendError):
        backend = open_backend(settings)
        return PodLogs(backend, run), backend.run(run)
    return None


def place_of(node: NodeStatus) -> Place:
    return node.step, node.path, max(node.attempts - 1, 0)


def _unrecorded(status: RunStatus, recorded: Collection[Place]) -> Iterator[NodeStatus]:
    """Tasks that failed and whose last attempt left no trace; numbers of attempts only grow when a run is retried."""
    last: dict[tuple[str, str], int] = {}
    for step, path, attempt in recorded:
        last[step, path] = max(attempt, last.get((step, path), -1))
    return (
        node for node in status.nodes if node.phase.is_bad and last.get((node.step, node.path), -1) < place_of(node)[2]
    )
