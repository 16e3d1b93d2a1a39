"""What a deployer chooses beside the flow itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from metaflow_hera.default_settings import DEPLOYED_WORKERS
from metaflow_hera.deploy.lifecycle import Lifecycle


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Of one deployment."""

    max_workers: int = DEPLOYED_WORKERS
    name: str | None = None
    """Of the WorkflowTemplate, instead of one made of the flow's name."""
    tags: tuple[str, ...] = ()
    starts_by_itself: bool = True
    """Whether the flow's schedule and triggers count."""
    publishes: bool = True
    """Whether its tasks publish an event when they have succeeded."""
    namespace: str = ""
    """The tag that runs must have to be seen by the flow's code; empty for that of its production namespace."""
    production: str = ""
    """The production namespace; empty for a run that is of no deployment."""
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
