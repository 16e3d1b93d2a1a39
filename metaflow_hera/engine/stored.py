"""The rows of the engine's database as records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metaflow_hera.engine.journal import Ended, Event, ShutDown
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import PodOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeployment:
    """A deployment in its newest version."""

    name: str
    version: int
    manifest: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run with the manifest that it was triggered with."""

    number: int = 0
    workflow: str
    deployment: str
    flow: str
    manifest: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    created: float
    started: float | None = None
    finished: float | None = None
    phase: Phase = Phase.PENDING
    message: str = ""
    is_terminated: bool = False
    is_stopped: bool = False
    is_suspended: bool = False

    @classmethod
    def of(cls, row: sqlite3.Row) -> StoredRun:
        values: dict[str, Any] = dict(row)
        values["parameters"] = json.loads(values["parameters"])
        values["phase"] = Phase(values["phase"])
        for name in ("is_terminated", "is_stopped", "is_suspended"):
            values[name] = bool(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Controls:
    """What somebody asks of a run."""

    is_terminated: bool
    is_stopped: bool
    is_suspended: bool

    @property
    def shutdown(self) -> Shutdown | None:
        if self.is_terminated:
            return Shutdown.TERMINATE
        return Shutdown.STOP if self.is_stopped else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPod:
    """A pod that was started; its number names its folder."""

    number: int
    name: str
    node: str
    attempt: int
    may_retry: bool
    step: str
    path: str
    phase: Phase
    message: str
    started: float
    finished: float | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> StoredPod:
        values: dict[str, Any] = dict(row)
        return cls(**{**values, "phase": Phase(values["phase"]), "may_retry": bool(values["may_retry"])})


def event_of(row: sqlite3.Row) -> Event:
    if row["pod"] is None:
        return ShutDown(how=Shutdown(row["message"]), at=row["at"])
    outcome = PodOutcome(phase=Phase(row["phase"]), outputs=json.loads(row["outputs"]), message=row["message"])
    return Ended(pod=row["pod"], outcome=outcome, at=row["at"], is_known=bool(row["is_known"]))
