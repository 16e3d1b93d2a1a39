"""The records of a run: how it began, how it ended, and its place in the list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaflow_hera.records.values import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that started a run besides its user: an event, or a run of another flow that succeeded."""

    name: str
    """Of the event."""
    id: str
    """Of this very event; of a run its path."""
    timestamp: float
    """Seconds since the epoch."""
    type: str = "event"
    """``event`` or ``run``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How a run began; written once, by its start step or by the local runner, before anything else of the run."""

    flow: str
    run: str
    created: float
    """Seconds since the epoch."""
    user: str = ""
    code: str = ""
    """The key of the code package; empty for a local run, which needs none."""
    file: str = ""
    deployment: str = ""
    tags: tuple[str, ...] = ()
    system_tags: tuple[str, ...] = ()
    parameters: Mapping[str, Ref] = field(default_factory=dict)
    """Parameters, configs and constants of the class, by attribute name."""
    parameter_names: tuple[str, ...] = ()
    """Those of them that are parameters."""
    configs: Mapping[str, str] = field(default_factory=dict)
    """Those of them that are configs, each with its name."""
    graph: Mapping[str, object] = field(default_factory=dict)
    """The flow as JSON, for whoever shows it later without its source."""
    host: str = ""
    runner: int = 0
    """For a local run, the machine and the process that runs it: a run whose runner is gone has ended."""
    namespace: str = ""
    """Of Kubernetes, for a run in a cluster: who finds no Workflow of it there knows that it is gone."""
    origin: str = ""
    """The run that this one resumed."""
    triggers: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """How a run ended: Argo's word for it, when, and why if it did not succeed."""

    status: str
    finished: float
    message: str = ""
