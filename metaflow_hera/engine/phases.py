"""Argo's words for how far a workflow has come."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Argo's words for how far a workflow, or a node of it, has come."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    SKIPPED = "Skipped"
    OMITTED = "Omitted"

    @property
    def is_final(self) -> bool:
        return self not in (Phase.PENDING, Phase.RUNNING)

    @property
    def is_bad(self) -> bool:
        return self in (Phase.FAILED, Phase.ERROR)


class Shutdown(StrEnum):
    """How somebody ended a run; told as its message."""

    TERMINATE = "terminated"
    """Now, without its exit handler."""
    STOP = "stopped"
    """What runs is ended; then the exit handler runs."""
