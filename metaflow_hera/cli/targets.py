"""What is deployed, as commands are given it: by its deployed name, or by the file of its flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from metaflow_hera.cli.group import is_file
from metaflow_hera.cli.launching import branch_options, taken_launch
from metaflow_hera.cli.options import backend_option, flow_option, name_option, options, settings_of
from metaflow_hera.deploy.deployed_flows import DeployedFlow, deployed
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.projects import name_of_class
from metaflow_hera.deploy.source import named_class
from metaflow_hera.errors import NotDeployedError
from metaflow_hera.settings import Settings

target_argument = click.argument("target", metavar="FLOW_OR_NAME")
target_options = options(flow_option, name_option, backend_option, branch_options)
"""Those that tell which deployment of a file's flow is meant, and where it is."""


def find(
    target: str,
    flow_name: str | None,
    name: str | None,
    settings: Settings,
    launch: LaunchOptions,
    *,
    look: Callable[[str, Settings], DeployedFlow] = deployed,
) -> DeployedFlow:
    """What is deployed of a file's flow, or under a name."""
    if not is_file(target):
        return look(target, settings)
    flow_class = named_class(target, flow_name, launch)
    try:
        return look(name_of_class(flow_class, name, settings.user), settings)
    except NotDeployedError as error:
        raise NotDeployedError(f"{error}; deploy it first with: mfhera deploy {target}") from error


def found(
    target: str, chosen: dict[str, Any], *, look: Callable[[str, Settings], DeployedFlow] = deployed
) -> DeployedFlow:
    """The same with what `target_options` gave."""
    settings = settings_of(backend=chosen["backend"])
    return find(target, chosen["flow_name"], chosen["name"], settings, taken_launch(chosen), look=look)
