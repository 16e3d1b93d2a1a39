"""What a flow finds where it is about to be deployed: the deployment of its name, and its production namespace."""

from __future__ import annotations

from metaflow_hera.backends import Backend
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import prefix_of_flow
from metaflow_hera.deploy.production import Ground, Standing, look
from metaflow_hera.deploy.projects import name_in_argo, project_of_flow
from metaflow_hera.deploy.rights import deployed_as
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.deploy.tokens import TokenChoices
from metaflow_hera.errors import BackendError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store


def look_for(
    flow: CheckedFlow, choices: Choices, settings: Settings, backend: Backend, tokens: TokenChoices
) -> Standing:
    """What is deployed under the name now, which must be the same flow, and the namespace to deploy into."""
    name = name_in_argo(flow.name, flow.graph.decorators, choices.name, settings.user)
    replaced = deployed_as(name, backend)
    if replaced is not None and (owner := _identity(replaced.plan)) != _identity_of_flow(flow, settings):
        raise BackendError(
            f"the name {name!r} belongs to the deployed flow {owner or 'of somebody else'}; give another --name, "
            f"or delete that deployment first: mfhera delete {name}"
        )
    ground = Ground(
        name=name,
        prefix=prefix_of_flow(flow, choices, settings),
        backend=backend,
        store=open_store(settings.datastore, settings),
        settings=settings,
    )
    return look(ground, replaced, tokens)


def _identity(plan: Plan) -> str:
    """The flow behind a deployment, with its project and branch if it has one."""
    names = (Annotations.PROJECT, Annotations.BRANCH, Annotations.FLOW)
    return ".".join(filter(None, (plan.annotations.get(name) for name in names)))


def _identity_of_flow(flow: CheckedFlow, settings: Settings) -> str:
    project = project_of_flow(flow.graph.decorators, settings.user)
    return project.flow_name(flow.name) if project else flow.name
