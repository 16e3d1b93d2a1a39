"""The record of one attempt of a task: written once, last, when everything that it speaks of is in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from metaflow_hera.records.values import Ref


class TaskStatus(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A foreach around a task: which step opened it, over which attribute, and which item of how many this is."""

    step: str
    over: str
    index: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception as text: it must be readable where its class is not."""

    type: str
    """``module.Class``"""
    text: str
    traceback: str

    @property
    def exception(self) -> str:
        """The same as `text`, by the peer's name."""
        return self.text

    @property
    def stacktrace(self) -> str:
        """The same as `traceback`, by the peer's name."""
        return self.traceback

    def __str__(self) -> str:
        return self.traceback or f"{self.type}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That an attempt runs, where, and since when; the first thing it writes, and only one writer can."""

    started: float
    host: str
    pid: int
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """What an attempt left; a successful one is what the next tasks read."""

    step: str
    path: str
    attempt: int
    status: TaskStatus
    started: float
    finished: float
    parents: tuple[str, ...] = ()
    """``step/path/attempt`` of each task whose record was an input, in the order of inputs."""
    frames: tuple[Frame, ...] = ()
    """The foreaches around the task, outermost first."""
    next: tuple[str, ...] = ()
    """The steps that come after it."""
    splits: int | None = None
    """How many items it fans out to, if it is a foreach."""
    parameters: Mapping[str, Ref] = field(default_factory=dict)
    """Parameters and constants: known in every task of the run."""
    artifacts: Mapping[str, Ref] = field(default_factory=dict)
    """What the step set and what it inherited."""
    failure: Failure | None = None
    """Why it failed."""
    origin: str = ""
    """``run/step/path/attempt`` of the task that this one is a clone of: it ran there, and its logs are there."""
