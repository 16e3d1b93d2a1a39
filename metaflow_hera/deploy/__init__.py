"""The use cases, called by the command line and by Python alike; nothing here prints.

Each name is imported when it is first asked for: a local run needs neither backends nor Hera.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaflow_hera.deploy.deployed_flows import DeployedFlow, deployed, deployments
    from metaflow_hera.deploy.deployment import deploy
    from metaflow_hera.deploy.local import run
    from metaflow_hera.deploy.manifests import compile_manifests, to_workflow_template
    from metaflow_hera.deploy.triggered import TriggeredRun

__all__ = [
    "DeployedFlow",
    "TriggeredRun",
    "compile_manifests",
    "deploy",
    "deployed",
    "deployments",
    "run",
    "to_workflow_template",
]

_HOMES = {
    "deploy": "deployment",
    "run": "local",
    "TriggeredRun": "triggered",
    "compile_manifests": "manifests",
    "to_workflow_template": "manifests",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'deployed_flows')}"), name)
