"""The rows of the engine's database as records."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from metaflow_hera.engine.journal import Ended, Event, Terminated
from metaflow_hera.engine.phases import Phase
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

    @classmethod
    def of(cls, row: sqlite3.Row) -> StoredRun:
        values: dict[str, Any] = dict(row)
        values["parameters"] = json.loads(values["parameters"])
        values["phase"] = Phase(values["phase"])
        values["is_terminated"] = bool(values["is_terminated"])
        return cls(**values)


_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


def new_workflow_name(deployment: str) -> str:
    """A name as Kubernetes makes them, which may be taken."""
    return f"{deployment}-{''.join(random.choices(_SUFFIX_LETTERS, k=5))}"  # noqa: S311  (a name, no secret)


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
        return Terminated(message=row["message"], at=row["at"])
    outcome = PodOutcome(phase=Phase(row["phase"]), outputs=json.loads(row["outputs"]), message=row["message"])
    return Ended(pod=row["pod"], outcome=outcome, at=row["at"])
