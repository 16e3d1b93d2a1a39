"""The Plan: frozen records of exactly the part of Argo that we emit.

`compile` makes it of a flow, a manifest is made of it and read back into it, and the engine runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from metaflow_hera.plan.text import Condition, Depends, Text
from metaflow_hera.records.events import Awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An argument of the workflow; *value* is its default as a person would type it, None for one that is required."""

    name: str
    value: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A node of a DAG: which template runs, after what, with which arguments, and how often."""

    name: str
    template: str
    depends: Depends | None = None
    when: Condition | None = None
    arguments: tuple[tuple[str, Text], ...] = ()
    """Input parameters of the template, in its order, with their values."""
    count: Text | None = None
    """Makes the task a fan-out of so many items, `Item` being 0, 1, …"""
    is_forgiven: bool = False
    """In `Steps`: what comes after it, and what it is a part of, go on as if it had succeeded, however it ended."""
    items: tuple[int, ...] = ()
    """Makes the only task of a `Steps` a fan-out over these indexes; a DAG would copy the list for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """A template that is a graph of tasks."""

    name: str
    tasks: tuple[Task, ...]
    inputs: tuple[str, ...] = ()
    parallelism: int | None = None
    """How many direct children of one invocation may be active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A template of tasks one after another, used where a DAG cannot be: at the exit of a workflow, for a long list."""

    name: str
    tasks: tuple[Task, ...]
    parallelism: int | None = None
    """How many items of a task may be active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again up to *limit* times whatever went wrong, *backoff* seconds after an attempt ended."""

    limit: int
    backoff: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDir:
    """A volume that lives as long as its pod; with *medium* ``Memory`` it is of the pod's memory."""

    name: str
    path: str
    medium: str = ""
    size: str = ""
    """A Kubernetes quantity, such as ``512Mi``; empty for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim that is there already."""

    name: str
    path: str


Volume = EmptyDir | Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A template that is one container: the pod of a task."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[Text, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    """Output parameters and the file, below the pod directory, that holds each."""
    parameters_file: str = ""
    """The file, below the pod directory, that gets all parameters of the workflow, in base64; empty for none."""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Kubernetes Secrets whose keys become environment variables."""
    optional_secrets: tuple[str, ...] = ()
    """The same of Secrets that need not be there."""
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    retry: Retry | None = None
    deadline: int | None = None
    """Seconds from the start of the pod, of each attempt."""
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, object], ...] = ()
    volumes: tuple[Volume, ...] = ()
    security_context: Mapping[str, object] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


Template = Dag | Steps | Container


STARTING_DEADLINE = 3540
"""Seconds for which a missed firing is made up for: a controller that was away for less than an hour loses none."""

HISTORY_LIMIT = 10_000
"""Runs of a schedule that a cluster keeps, of those that ended well and of the others each; Argo keeps 3 and 1."""


class Concurrency(StrEnum):
    """What becomes of a firing while a run of an earlier one has not ended, in Argo's words."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    """It is let go."""
    REPLACE = "Replace"
    """That run is terminated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a deployment runs by itself: a cron line of five fields, in a time zone of the IANA database."""

    cron: str
    timezone: str = "UTC"
    concurrency: Concurrency = Concurrency.ALLOW
    """As the peer, all runs: one that is late does not cost the next one."""
    starting_deadline: int = STARTING_DEADLINE
    successful_runs: int = HISTORY_LIMIT
    failed_runs: int = HISTORY_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """When events that came so far are forgotten, unless all of them had come: a cron line, as in a `Schedule`."""

    cron: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """Where Argo Events has the events from, and as whom its Sensor starts runs."""

    name: str
    event: str
    bus: str = "default"
    service_account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """The events that start a run when all of them have come."""

    events: tuple[Awaited, ...]
    resets: tuple[Reset, ...] = ()
    source: EventSource | None = None
    """None where there is no Argo Events: the embedded engine has a queue of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ttl:
    """Seconds after its end for which a Workflow is kept: after any end, and after the one or the other, which wins."""

    completion: int | None = None
    success: int | None = None
    failure: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A deployment, whole: the WorkflowTemplate and, if it starts by itself, the CronWorkflow and the Sensor."""

    name: str
    entrypoint: str
    templates: tuple[Template, ...]
    """The entrypoint first, then in the order in which a reader meets them."""
    parameters: tuple[Parameter, ...] = ()
    on_exit: str = ""
    namespace: str = ""
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    run_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of every Workflow that is made from the template."""
    deadline: int | None = None
    """Seconds that a whole run may take."""
    priority: int | None = None
    """Where runs wait for each other, the highest goes first."""
    ttl: Ttl | None = None
    pod_gc: str = ""
    """When ended pods are deleted, in Argo's word; empty for never, as long as there is the Workflow."""
    schedule: Schedule | None = None
    triggers: Triggers | None = None

    @cached_property
    def by_name(self) -> Mapping[str, Template]:
        return {template.name: template for template in self.templates}
