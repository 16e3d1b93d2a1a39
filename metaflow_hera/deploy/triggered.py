"""Runs of deployments, from the moment that they were asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from metaflow_hera.backends import Action, Backend, Phase, RunStatus
from metaflow_hera.client import Run
from metaflow_hera.deploy.controls import act, changes
from metaflow_hera.deploy.progress import ProgressLine, is_watched
from metaflow_hera.deploy.recorded import record_end
from metaflow_hera.deploy.rights import Rights
from metaflow_hera.deploy.runs import client_run
from metaflow_hera.deploy.success import succeeded
from metaflow_hera.errors import RunFailedError
from metaflow_hera.naming import pathspec
from metaflow_hera.settings import Settings

T = TypeVar("T")

POLL_SECONDS = 0.2
PEER_SECONDS = 5.0
"""How often the peer looks whether something happened."""


@dataclass(frozen=True, kw_only=True)
class TriggeredRun:
    """A run of a deployment; *name* is that of the deployment, empty for a run without one."""

    run_id: str
    name: str
    flow: str
    backend: Backend
    settings: Settings

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pathspec!r})"

    def _repr_html_(self) -> str:
        from metaflow_hera.deploy.displays import triggered_html  # pictures, for notebooks only

        return triggered_html(self)

    @property
    def pathspec(self) -> str:
        return pathspec(self.flow, self.run_id)

    @property
    def details(self) -> RunStatus:
        """How far it has come, task by task."""
        return self.backend.run(self.run_id)

    @property
    def status(self) -> Phase:
        """``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Error``."""
        return self.details.phase

    @property
    def is_running(self) -> bool:
        return self.status is Phase.RUNNING

    @property
    def run(self) -> Run | None:
        """The run as the Client sees it; None until its first task has begun."""
        return client_run(self.flow, self.run_id, self.settings)

    def wait(self, timeout: float | None = None, *, check: bool = True, show: bool | None = None) -> Run:
        """Wait for the end and return the run; `TimeoutError` after *timeout* seconds.

        `RunFailedError` if the run did not succeed; without *check* it is returned however it ended. *show* writes a
        line of progress to stderr; by default where a person sees it, in a terminal or a notebook.
        """
        status = self._ended(timeout, POLL_SECONDS, show)
        run = self.run
        if run is None:
            raise RunFailedError(f"run {self.run_id} ended before its first task: {status.phase}: {status.message}")
        return succeeded(run, self.settings) if check else run

    def wait_for_completion(self, check_interval: float = PEER_SECONDS, timeout: float | None = None) -> None:
        """Wait for the end, good or bad, and look every so many seconds; `TimeoutError` after *timeout* seconds."""
        self._ended(timeout, check_interval, show=False)

    def wait_for_run(self, check_interval: float = PEER_SECONDS, timeout: float | None = None) -> Run:
        """Wait until its first task has begun; `TimeoutError` after *timeout* seconds."""
        return _awaited(lambda: self.run, check_interval, timeout, lambda: f"run {self.run_id} has not begun")

    def terminate(self, authorize: str | None = None) -> bool:
        """End the run now, without its exit hooks; whether there was anything to end."""
        return self._control(Action.TERMINATE, authorize)

    def stop(self, authorize: str | None = None) -> bool:
        """End the run, then let its exit hooks run; whether there was anything to end."""
        return self._control(Action.STOP, authorize)

    def resume(
        self, step: str | None = None, *, tags: Sequence[str] = (), max_workers: int | None = None
    ) -> TriggeredRun:
        """A new run that goes on where this one failed, or from *step*, by the same code and on the same backend."""
        from metaflow_hera.deploy.resume_there import resume_deployed  # few runs are resumed

        return resume_deployed(self.pathspec, self.settings, step, tags=tags, max_workers=max_workers)

    def suspend(self, authorize: str | None = None) -> bool:
        """Let what runs end and nothing new start; whether that was not so already."""
        return self._control(Action.SUSPEND, authorize)

    def unsuspend(self, authorize: str | None = None) -> bool:
        """Let the suspended run go on; whether it was suspended."""
        return self._control(Action.UNSUSPEND, authorize)

    def retry(self, authorize: str | None = None) -> bool:
        """Let the run that failed go on with what did not succeed; False if it has not ended."""
        return self._control(Action.RETRY, authorize)

    def _control(self, action: Action, authorize: str | None) -> bool:
        before = self.details
        act(action, self.backend, before, Rights(settings=self.settings, given=authorize))
        return changes(action, before)

    def _ended(self, timeout: float | None, every: float, show: bool | None) -> RunStatus:
        line = ProgressLine() if (is_watched() if show is None else show) else None

        def final() -> RunStatus | None:
            status = self.details
            if line:
                line.show(status)
            return status if status.phase.is_final else None

        try:
            status = _awaited(
                final, every, timeout, lambda: f"run {self.run_id} has not ended; it is {self.status.value}"
            )
        finally:
            if line:
                line.close()
        record_end(status, self.settings)
        return status


def _awaited(look: Callable[[], T | None], every: float, timeout: float | None, problem: Callable[[], str]) -> T:
    deadline = None if timeout is None else time.monotonic() + timeout
    while (found := look()) is None:
        left = every if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{problem()} after {timeout} seconds")
        time.sleep(min(every, left))
    return found
