"""`mfhera trigger`: a run of what is deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from metaflow_hera.backends import Phase
from metaflow_hera.cli.follow import follow, interruptible
from metaflow_hera.cli.options import json_option, options, run_id_file_option, settings_of
from metaflow_hera.cli.output import print_json, tell, write_file
from metaflow_hera.cli.parameters import FlowCommand, Words
from metaflow_hera.cli.targets import find, found, target_argument, target_options
from metaflow_hera.deploy.deployed_flows import DeployedFlow
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.telling import Tell
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.flow.parameters import Parameter


def _parameters(words: Words) -> Sequence[Parameter]:
    if words.target is None:
        return ()
    values = words.values
    launch = LaunchOptions(branch=values.get("branch"), production="production" in values)
    settings = settings_of(backend=values.get("backend"))
    return find(words.target, values.get("flow_name"), values.get("name"), settings, launch).parameters


@click.command(cls=FlowCommand, find=_parameters)
@target_argument
@options(target_options, run_id_file_option)
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
    deployed = found(target, chosen)
    run = start(deployed, parameters, chosen["run_id_file"])
    as_json = bool(chosen["as_json"])
    if not as_json:
        click.echo(run.run_id)
    phase = Phase.PENDING
    if chosen["wait"]:
        with interruptible(run.flow, run.run_id):
            phase = follow(run)
    if as_json:
        print_json({"run": run.run_id, "flow": run.flow, "deployment": deployed.name, "phase": phase})
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
