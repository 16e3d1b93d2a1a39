"""Where deployed flows live and run: one protocol, and one suite of tests that every implementation passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from metaflow_hera.engine.phases import Phase as Phase
from metaflow_hera.plan.records import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is deployed under a name, as its own annotations tell: enough to trigger it without its source."""

    name: str
    plan: Plan
    """With schedule and triggers, if it has them; the rest of what is known is in its annotations."""
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One task of a run as the backend sees it: a container that runs, ran, or waits to be tried again."""

    name: str
    step: str
    path: str
    phase: Phase
    attempts: int = 0
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run as the backend sees it; *message* says why it failed, in the backend's words."""

    run: str
    deployment: str
    flow: str
    phase: Phase
    message: str = ""
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[NodeStatus, ...] = ()
    """Empty in a list of runs."""


class Backend(Protocol):
    """Deploys Plans and runs them. Errors are `BackendError` and its kinds, told in one sentence."""

    name: str

    def deploy(self, plan: Plan) -> None:
        """Create or replace, whole or not at all; a plan without schedule or triggers removes those before.

        Runs in flight keep theirs.
        """
        ...

    def deployment(self, name: str) -> Deployment:
        """`NotDeployedError` if there is none of that name."""
        ...

    def deployments(self) -> Iterator[Deployment]:
        """All of ours, by name."""
        ...

    def delete(self, name: str) -> None:
        """Remove a deployment, its schedule and its triggers; runs in flight go on."""
        ...

    def trigger(self, name: str, parameters: Mapping[str, str]) -> str:
        """Start a run with these parameters in place of their defaults; return the run's id at once."""
        ...

    def run(self, run: str) -> RunStatus:
        """`UnknownRunError` if there is none of that id."""
        ...

    def runs(self, name: str | None = None) -> Iterator[RunStatus]:
        """Runs of one deployment or of all, the newest first."""
        ...

    def watch(self, run: str) -> Iterator[RunStatus]:
        """The run's status now and whenever it changed, up to and with a final one."""
        ...

    def terminate(self, run: str) -> None:
        """End a run now: SIGTERM to its pods, no exit handler; nothing happens to one that has ended."""
        ...
