"""Where deployed flows live and run: one protocol, and one suite of tests that every implementation passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from metaflow_hera.engine.phases import Phase as Phase
from metaflow_hera.engine.phases import Shutdown as Shutdown
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
    hint: str = ""
    """What can be done about what the message says, where that is known."""
    started: datetime | None = None
    finished: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """A run as the backend sees it; *message* says why it failed, in the backend's words."""

    run: str
    deployment: str
    """Empty for a run of a Plan that is not deployed."""
    flow: str
    phase: Phase
    message: str = ""
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[NodeStatus, ...] = ()
    """Empty in a list of runs."""
    is_suspended: bool = False
    """It has not ended, and nothing new of it starts."""


class Action(StrEnum):
    """What can be asked of a run, with the name of what does it."""

    TERMINATE = "terminate"
    STOP = "stop"
    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    RETRY = "retry"


class Backend(Protocol):
    """Deploys Plans and runs them. Errors are `BackendError` and its kinds, told in one sentence."""

    name: str

    @property
    def place(self) -> str:
        """What tells it from all others that keep something in the same store: a `production_names.place_name`."""
        ...

    @property
    def namespace(self) -> str:
        """Of Kubernetes, where its runs are; empty for those of this machine."""
        ...

    @property
    def where(self) -> str:
        """For messages: where it keeps what is deployed."""
        ...

    def deploy(self, plan: Plan) -> None:
        """Create or replace, whole or not at all; a plan without schedule or triggers removes those before.

        Runs in flight keep theirs.
        """
        ...

    def check(self, plan: Plan) -> None:
        """Raise what `deploy` would, as far as that can be known before; nothing is written."""
        ...

    def deployment(self, name: str) -> Deployment:
        """`NotDeployedError` if there is none of that name, `ForeignDeploymentError` if what has it is none of ours."""
        ...

    def deployments(self) -> Iterator[Deployment]:
        """All of ours, by name; of those that another version of ours wrote, what their annotations tell."""
        ...

    def delete(self, name: str) -> None:
        """Remove a deployment, its schedule and its triggers; runs in flight go on."""
        ...

    def trigger(self, name: str, parameters: Mapping[str, str]) -> str:
        """Start a run with these parameters in place of their defaults; return the run's id at once."""
        ...

    def submit(self, plan: Plan, parameters: Mapping[str, str], run: str = "") -> str:
        """Start a run of a Plan that is not deployed; return its id, which is *run* if that is given.

        `BackendError` if there is a run of that id.
        """
        ...

    def plan(self, run: str) -> Plan:
        """What a run was started with, its parameters with the run's values; `UnknownRunError` if there is none."""
        ...

    def run(self, run: str) -> RunStatus:
        """`UnknownRunError` if there is none of that id, `ForeignRunError` if what has it is none of ours.

        So does all else that takes a run.
        """
        ...

    def runs(self, name: str | None = None) -> Iterator[RunStatus]:
        """Runs of one deployment or of all, the newest first."""
        ...

    def watch(self, run: str) -> Iterator[RunStatus]:
        """The run's status now and whenever it changed, up to and with a final one."""
        ...

    def pod_log(self, run: str, node: str) -> Iterator[str]:
        """The lines that the last attempt of a node printed by itself, as far as its pod is still there."""
        ...

    def terminate(self, run: str) -> None:
        """End a run now: SIGTERM to its pods, no exit handler; nothing happens to one that has ended."""
        ...

    def stop(self, run: str) -> None:
        """End a run: SIGTERM to its pods, then its exit handler; nothing happens to one that has ended."""
        ...

    def suspend(self, run: str) -> None:
        """Let what runs end, and nothing new start; nothing happens to a run that has ended or is about to."""
        ...

    def unsuspend(self, run: str) -> None:
        """Let a suspended run go on; nothing happens to one that is not."""
        ...

    def retry(self, run: str) -> None:
        """Let a run that ended badly go on: what did not succeed runs again, what succeeded stays with its attempts.

        Nothing happens to one that has not ended. `BackendError` for one that succeeded.
        """
        ...
