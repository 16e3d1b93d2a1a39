"""A pod as the scheduler asks for it, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import UsageError
from metaflow_hera.plan.records import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One attempt of one container, with everything filled in."""

    name: str
    """As Argo names the node, the same in every replay: ``wf.foreach-x.x(3:3)(0)``."""
    node: str
    """The task's node, without the attempt."""
    template: Container
    args: tuple[str, ...]
    attempt: int = 0
    gang: str = ""
    """The fan-out whose pods all run at the same time, if it is one of those."""

    @property
    def slot(self) -> str:
        """What takes room on this machine: a gang as one, or the pod."""
        return self.gang or self.name

    @property
    def may_retry(self) -> bool:
        return self.template.retry is not None and self.attempt < self.template.retry.limit

    @property
    def command(self) -> TaskCommand | None:
        """What it runs; None for a container that is no task."""
        try:
            return TaskCommand.parse(self.args)
        except UsageError:
            return None

    @property
    def tells_people(self) -> bool:
        """Whether it uses the secrets of those who are told how runs end."""
        try:
            return bool(ExitCommand.parse(self.args).notify)
        except UsageError:
            return False

    @property
    def task(self) -> tuple[str, str]:
        """The step and the index path it runs; of a container that is no task, the template and ``0``."""
        command = self.command
        return (command.step, command.path) if command else (self.template.name, "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOutcome:
    """How a pod ended: Succeeded with the output parameters that it left, or Failed or Error and why."""

    phase: Phase
    outputs: Mapping[str, str] = field(default_factory=dict)
    message: str = ""

    def promised(self, template: Container) -> PodOutcome:
        """Argo takes a pod that succeeded without leaving an output that it promised for one in error."""
        missing = [name for name, _ in template.outputs if name not in self.outputs]
        if self.phase is not Phase.SUCCEEDED or not missing:
            return self
        return PodOutcome(phase=Phase.ERROR, message=f"left no output {', '.join(map(repr, missing))}")
