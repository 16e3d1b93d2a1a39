"""Everything beside its graph that a flow's Plan depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaflow_hera.flow.exit_hooks import HookGroup
from metaflow_hera.naming import WORKFLOW_RUN_PREFIX
from metaflow_hera.plan.records import Parameter, Schedule, Triggers, Ttl
from metaflow_hera.plan.text import Text, WorkflowName, text

RUN_OF_WORKFLOW = text(WORKFLOW_RUN_PREFIX, WorkflowName())


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Who is told how a run ended: on which ends, and what of it is no secret."""

    on_error: bool = False
    on_success: bool = False
    secret: str = ""
    """The Kubernetes Secret with the URLs and keys of the channels; empty where the environment has them already."""
    alert_source: str = ""
    """The alert source of incident.io that gets the events."""
    alert_metadata: tuple[str, ...] = ()
    """``KEY=VALUE`` each: what incident.io gets beside."""
    link: str = ""
    """A page of which each run has one below, by the name of its Workflow."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Where the services are, if not where they are for everybody."""

    def __bool__(self) -> bool:
        return self.on_error or self.on_success


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDefaults:
    """What the settings say of pods: what no decorator of a step says otherwise."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, object], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Also those of a step that has others."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    cpu: str = ""
    memory: str = ""
    """In megabytes, like the next two."""
    disk: str = ""
    shared_memory: str = ""
    qos: str = ""
    registry: str = ""
    """Of images that name none."""
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    env_to_skip: frozenset[str] = frozenset()
    """Variables that no container gets."""


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
    production: str = ""
    user_namespace: str = ""
    """These two as in a `TaskCommand`, which calls the second one namespace."""
    triggers: tuple[str, ...] = ()
    """As in a `TaskCommand`."""
    origin: str = ""
    """The run that the one to come resumes."""
    parameters: tuple[Parameter, ...] = ()
    schedule: Schedule | None = None
    started_by: Triggers | None = None
    project: tuple[str, str] | None = None
    """The project and branch of a deployment that has them."""
    publishes: bool = True
    """Whether tasks of a deployment publish the event of their success."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of every object, and of every run."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    deadline: int | None = None
    """Seconds that a whole run may take."""
    priority: int | None = None
    ttl: Ttl | None = None
    pod_gc: str = ""
    hooks: tuple[HookGroup, ...] = ()
    """The images in which functions of @exit_hook are called, and when."""
    notices: Notices = field(default_factory=Notices)
    pod: PodDefaults = field(default_factory=PodDefaults)

    def image_of(self, image: str) -> str:
        """The whole name of an image, that of the flow for none."""
        chosen = image or self.image
        first, slash, _ = chosen.partition("/")
        names_registry = bool(slash) and (first == "localhost" or "." in first or ":" in first)
        return chosen if names_registry or not self.pod.registry else f"{self.pod.registry.rstrip('/')}/{chosen}"

    def env_of(self, env: Mapping[str, str]) -> dict[str, str]:
        """What a container gets of *env*."""
        return {name: value for name, value in env.items() if name not in self.pod.env_to_skip}
