"""What is deployed, as commands are given it: by its deployed name, or by the file of its flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from metaflow_hera.cli.group import is_file
from metaflow_hera.cli.launching import branch_options, branch_words, taken_launch
from metaflow_hera.cli.options import backend_option, flow_option, name_option, options, settings_of
from metaflow_hera.deploy.deployed_flows import DeployedFlow, deployed, deployed_by_any_version
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.projects import name_of_class
from metaflow_hera.deploy.source import named_class
from metaflow_hera.errors import NotDeployedError
from metaflow_hera.settings import Settings

Look = Callable[[str, Settings], DeployedFlow]
"""Finds a deployment by its name: `deployed`, or to delete it `deployed_by_any_version`."""

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
    look: Look = deployed,
) -> DeployedFlow:
    """What is deployed of a file's flow, or under a name."""
    if not is_file(target):
        with deployed_first(look, "mfhera deploy flow.py"):
            return look(target, settings)
    flow_class = named_class(target, flow_name, launch)
    words = "".join(f" {option} {value}" for option, value in (("--flow", flow_name), ("--name", name)) if value)
    with deployed_first(look, f"mfhera deploy {target}{words}{branch_words(launch)}"):
        return look(name_of_class(flow_class, name, settings.user), settings)


@contextmanager
def deployed_first(look: Look, command: str) -> Iterator[None]:
    """What is not deployed can be by this command, which is told; unless it was looked for to be deleted."""
    try:
        yield
    except NotDeployedError as error:
        if look is deployed_by_any_version:
            raise
        raise NotDeployedError(f"{error}; deploy it first with: {command}") from error


def found(target: str, chosen: dict[str, Any], *, look: Look = deployed) -> DeployedFlow:
    """The same with what `target_options` gave."""
    settings = settings_of(backend=chosen["backend"])
    return find(target, chosen["flow_name"], chosen["name"], settings, taken_launch(chosen), look=look)
