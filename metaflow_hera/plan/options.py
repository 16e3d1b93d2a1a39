"""Everything beside its graph that a flow's Plan depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaflow_hera.naming import WORKFLOW_RUN_PREFIX
from metaflow_hera.plan.records import Parameter, Schedule
from metaflow_hera.plan.text import Text, WorkflowName, text

RUN_OF_WORKFLOW = text(WORKFLOW_RUN_PREFIX, WorkflowName())


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """What the deployer, the settings and the code package say."""

    name: str
    """Of the WorkflowTemplate: `deployment_names.deployment_name`; empty for a run without a deployment."""
    file: str
    """The flow's file, relative to the root of the code package."""
    store: str
    image: str
    """Of steps that name none."""
    command: tuple[str, ...]
    """Starts a container; the words of a `TaskCommand` follow."""
    code: str = ""
    """The key of the code package; empty where the code is there already."""
    run: Text = RUN_OF_WORKFLOW
    namespace: str = ""
    service_account: str = ""
    secrets: tuple[str, ...] = ()
    """Kubernetes Secrets that every container gets as environment."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Of every container, such as the endpoint of the S3 server."""
    max_workers: int = 100
    """How many items of each foreach may be active at once."""
    decorators: tuple[str, ...] = ()
    """What ``--with`` added to every step."""
    user: str = ""
    tags: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """As in a `TaskCommand`."""
    origin: str = ""
    """The run that the one to come resumes."""
    parameters: tuple[Parameter, ...] = ()
    schedule: Schedule | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of every object, and of every run."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    deadline: int | None = None
    """Seconds that a whole run may take."""
