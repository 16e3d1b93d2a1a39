"""`mfhera trigger`: a run of what is deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from metaflow_hera.backends import Phase
from metaflow_hera.cli.follow import follow, interruptible
from metaflow_hera.cli.group import is_file
from metaflow_hera.cli.launching import branch_options, taken_launch
from metaflow_hera.cli.options import (
    backend_option,
    flow_option,
    json_option,
    name_option,
    options,
    run_id_file_option,
    settings_of,
)
from metaflow_hera.cli.output import print_json, tell, write_file
from metaflow_hera.cli.parameters import FlowCommand, Words
from metaflow_hera.deploy.deployed import DeployedFlow, deployed
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.projects import name_of_class
from metaflow_hera.deploy.source import named_class
from metaflow_hera.deploy.telling import Tell
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.errors import NotDeployedError
from metaflow_hera.flow.parameters import Parameter


def find(
    target: str, flow_name: str | None, name: str | None, backend: str | None, launch: LaunchOptions
) -> DeployedFlow:
    """What is deployed of a file's flow, or under a name."""
    settings = settings_of(backend=backend)
    if not is_file(target):
        return deployed(target, settings)
    flow_class = named_class(target, flow_name, launch)
    try:
        return deployed(name_of_class(flow_class, name, settings.user), settings)
    except NotDeployedError as error:
        raise NotDeployedError(f"{error}; deploy it first with: mfhera deploy {target}") from error


def _parameters(words: Words) -> Sequence[Parameter]:
    if words.target is None:
        return ()
    values = words.values
    launch = LaunchOptions(branch=values.get("branch"), production="production" in values)
    return find(words.target, values.get("flow_name"), values.get("name"), values.get("backend"), launch).parameters


@click.command(cls=FlowCommand, find=_parameters)
@click.argument("target", metavar="FLOW_OR_NAME")
@options(flow_option, name_option, backend_option, run_id_file_option, branch_options)
@click.option("--wait", is_flag=True, help="Follow the run to its end; the exit code is then the run's.")
@json_option
@click.pass_context
def trigger(ctx: click.Context, /, target: str, parameters: Mapping[str, str], **chosen: Any) -> None:
    """Start a run of a deployed flow, given by its file or by its deployed name; print the run's id.

    The flow's parameters are options, with the defaults that hold where it is deployed:
    see `mfhera trigger NAME --help`.

    \b
    Examples:
      mfhera trigger flow.py --alpha 0.5
      mfhera trigger parameterflow --alpha 0.5 --wait
    """
    found = find(target, chosen["flow_name"], chosen["name"], chosen["backend"], taken_launch(chosen))
    run = start(found, parameters, chosen["run_id_file"])
    as_json = bool(chosen["as_json"])
    if not as_json:
        click.echo(run.run_id)
    phase = Phase.PENDING
    if chosen["wait"]:
        with interruptible(run.flow, run.run_id):
            phase = follow(run)
    if as_json:
        print_json({"run": run.run_id, "flow": run.flow, "deployment": found.name, "phase": phase})
    if chosen["wait"] and phase is not Phase.SUCCEEDED:
        ctx.exit(1)


def start(
    found: DeployedFlow, parameters: Mapping[str, str], run_id_file: str | None, tell: Tell = tell
) -> TriggeredRun:
    """Start the run, and tell where to look for it."""
    run = found.trigger_texts(parameters)
    if run_id_file:
        write_file(run_id_file, run.run_id)
    tell(f"{found.flow_name}, version {found.version}: run {run.run_id} is triggered; see `mfhera status {run.run_id}`")
    return run
