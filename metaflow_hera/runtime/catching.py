"""@catch: in which attempt it acts, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from metaflow_hera.command import TaskCommand
from metaflow_hera.flow.decorators import catch, decorator_of
from metaflow_hera.graph.model import Step
from metaflow_hera.records.task import Failure
from metaflow_hera.runtime.failures import CaughtException, FailureHandledByCatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Catching:
    """What @catch does in one attempt of a step; nothing if the step has none.

    Attempts are counted as Argo counts them: those of an earlier life of the workflow are not the user's retries.
    """

    decorator: catch | None
    attempt: int
    retries: int

    @classmethod
    def of(cls, step: Step, command: TaskCommand) -> Self:
        return cls(decorator=decorator_of(step, catch), attempt=int(command.attempt), retries=int(command.retries))

    @property
    def instead(self) -> FailureHandledByCatch | None:
        """The error with which an attempt ends in place of the user's code: all that the user allows are used up."""
        if self.decorator is None or self.attempt <= self.retries:
            return None
        return FailureHandledByCatch(
            f"Task execution kept failing over {self.attempt} attempts. Your code did not raise an exception. "
            "Something in the execution environment caused the failure."
        )

    def catches(self, error: BaseException) -> bool:
        return self.decorator is not None and self.attempt >= self.retries and isinstance(error, Exception)

    def artifact(self, caught: Failure | None) -> dict[str, object]:
        """What the step's artifacts get, if @catch names one."""
        if self.decorator is None or self.decorator.var is None:
            return {}
        if caught is None:
            return {self.decorator.var: None}
        value = CaughtException(exception=caught.text, type=caught.type, stacktrace=caught.traceback)
        return {self.decorator.var: value}

    def text(self, flow: object, caught: Failure) -> str:
        """What is printed of what was caught; nothing if the user wants it quiet."""
        if self.decorator is None or not self.decorator.print_exception:
            return ""
        return f"@catch caught an exception from {flow!r}\n{caught.traceback}"
