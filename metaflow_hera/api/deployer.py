"""`Deployer`: deployments of a flow's file, each made in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from metaflow_hera.api.exchange import Level
from metaflow_hera.api.process import FlowProcess
from metaflow_hera.api.runner import FlowFile
from metaflow_hera.argo.manifest import from_manifests
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.deployed_flows import IMPLEMENTATION, DeployedFlow, deployed
from metaflow_hera.graph.as_json import from_json


class Deployer(FlowFile):
    """Deploys a flow's file, as ``python flow.py argo-workflows create`` does, and gives what is deployed then."""

    def argo_workflows(self, name: str | None = None) -> ArgoWorkflowsDeployer:
        """The place to deploy to; *name* is that in Argo, instead of one made of the class's name."""
        return ArgoWorkflowsDeployer(file=self, name=name)


@dataclass(frozen=True, kw_only=True)
class ArgoWorkflowsDeployer:
    """Makes a flow the newest version of its deployment in Argo Workflows."""

    file: Deployer
    name: str | None = None

    def create(self, **kwargs: object) -> DeployedFlow:
        """Deploy the flow; the arguments are the options of the command: ``max_workers``, ``tags``, …

        With ``only_json=True`` nothing is deployed: what is returned has the `workflow_template` that would be.
        """
        process = self.file.start(
            Level(command=IMPLEMENTATION, call="argo_workflows()", given={"name": self.name}),
            Level(command="create", call="create()", given=kwargs),
        )
        process.wait()
        if process.returncode != 0:
            process.refuse_failure(f"{self.file.flow_file} is not deployed to {IMPLEMENTATION}")
        return _made(process)


def _made(process: FlowProcess) -> DeployedFlow:
    reply = process.reply
    settings = reply.load_settings()
    if isinstance(reply.result, dict):
        found = deployed(reply.result["name"], settings)
        return replace(found, graph=from_json(reply.result["graph"]))
    plan = from_manifests(reply.result)
    return DeployedFlow(
        name=plan.name, plan=plan, created=datetime.now(UTC), backend=open_backend(settings), settings=settings
    )
