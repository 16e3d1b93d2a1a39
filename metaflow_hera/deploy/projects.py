"""Flows of a project: what their deployments are called, and what functions learn that are called at deploying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaflow_hera.deployment_names import deployment_name, project_deployment_name
from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorators import flow_decorators
from metaflow_hera.graph.model import DecoratorSpec, Graph
from metaflow_hera.production_names import production_prefix, project_prefix

if TYPE_CHECKING:
    from metaflow_hera.flow.project import Project


def project_of_flow(decorators: Sequence[DecoratorSpec], user: str) -> Project | None:
    """The project of a flow that has these decorators; *user* is who launches it."""
    if not any(spec.name == "project" for spec in decorators):
        return None
    from metaflow_hera.flow.project import project_of  # few flows are of a project

    return project_of(decorators, user)


def project_facts(graph: Graph, user: str) -> dict[str, object]:
    """What `current` says of the flow's project, while functions of the user's are called before it runs."""
    project = project_of_flow(graph.decorators, user)
    return project.facts(graph.flow) if project else {}


def name_of_class(flow_class: type, name: str | None, user: str) -> str:
    """The name of the deployment of a flow class as its launch settled it; *name* is the user's own choice."""
    return name_in_argo(flow_class.__name__, tuple(each.spec for each in flow_decorators(flow_class)), name, user)


def prefix_in_production(flow: str, decorators: Sequence[DecoratorSpec], name: str | None, user: str) -> str:
    """What the production namespaces of a flow begin with: all flows of a project in one branch have the same."""
    project = project_of_flow(decorators, user)
    return production_prefix(flow, name) if project is None else project_prefix(project.name, project.branch)


def name_in_argo(flow: str, decorators: Sequence[DecoratorSpec], name: str | None, user: str) -> str:
    """The name of a flow's deployment: of one of a project, that of the branch; no other can be chosen."""
    project = project_of_flow(decorators, user)
    if project is None:
        return deployment_name(flow, name)
    if name is not None:
        raise UsageError(
            f"--name {name}: {flow} is of the project {project.name!r}, whose deployments are named after their "
            "branches; choose one with --branch or --production"
        )
    return project_deployment_name(project.name, project.branch, flow)
