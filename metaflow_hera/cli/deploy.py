"""`mfhera deploy`: a flow becomes the newest version of its deployment."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.flow_help import help_of, required_words
from metaflow_hera.cli.launching import launch_options, taken_launch
from metaflow_hera.cli.options import (
    flow_option,
    json_option,
    max_workers_option,
    name_option,
    options,
    place_options,
    settings_of,
    suffixes_option,
    tag_option,
    with_option,
)
from metaflow_hera.cli.output import moment, print_json, tell
from metaflow_hera.cli.tokens import namespace_option, taken_tokens, token_options
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.deployment import DeployedFlow, deploy_checked
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.naming import PRODUCTION_TAG
from metaflow_hera.plan.records import Schedule


@click.command()
@click.argument("flow")
@options(flow_option, with_option, max_workers_option, name_option, tag_option, place_options, suffixes_option)
@options(token_options, namespace_option)
@launch_options
@json_option
def deploy(flow: str, flow_name: str | None, with_: tuple[str, ...], as_json: bool, **chosen: Any) -> None:
    """Deploy a flow: check it, package its code, translate it, and make it the newest version.

    Runs in flight keep the version that they started with.

    \b
    Examples:
      mfhera deploy flow.py --with retry
      mfhera deploy flow.py --max-workers 500 --name staging
    """
    settings = settings_of(chosen["datastore"], chosen["backend"], package_suffixes=chosen["package_suffixes"])
    checked = check_flow(flow, name=flow_name, with_=with_, launch=taken_launch(chosen))
    choices = Choices(
        max_workers=chosen["max_workers"],
        name=chosen["name"],
        tags=chosen["tags"],
        namespace=chosen["namespace"] or "",
    )
    made = deploy_checked(checked, choices, settings, tell, tokens=taken_tokens(chosen))
    print_deployed(made, as_json=as_json)


def print_deployed(deployed: DeployedFlow, *, as_json: bool = False) -> None:
    if as_json:
        print_json(facts(deployed) | {"replaces": deployed.previous})
        return
    name = click.style(deployed.name, bold=True)
    place = f"the {deployed.backend.name} backend"
    click.echo(f"{deployed.flow_name} is deployed as {name} on {place}, version {deployed.version}")
    if deployed.previous == deployed.version:
        click.echo("  the same version was deployed before")
    elif deployed.previous:
        click.echo(f"  it replaces version {deployed.previous}; runs in flight keep theirs")
    click.echo(f"  its runs are in the namespace {PRODUCTION_TAG}{deployed.production_namespace}")
    for parameter in deployed.parameters:
        click.echo(f"  --{parameter.name}  {help_of(parameter)}")
    if deployed.schedule:
        click.echo(f"  it runs by itself at {told(deployed.schedule)}")
    else:
        click.echo("  nothing triggers it by itself")
    if deployed.previous_schedule and not deployed.schedule:
        click.echo(f"  its schedule was removed: it ran by itself at {told(deployed.previous_schedule)}")
    click.echo(f"  start a run with: mfhera trigger {deployed.name}{required_words(deployed.parameters)}")


def told(schedule: Schedule) -> str:
    """When a deployment runs by itself, in a few words."""
    return f"{schedule.cron} ({schedule.timezone})"


def facts(deployed: DeployedFlow) -> dict[str, object]:
    """A deployment as JSON."""
    return {
        "name": deployed.name,
        "flow": deployed.flow_name,
        "version": deployed.version,
        "deployer": deployed.deployer,
        "namespace": deployed.production_namespace,
        "created": deployed.created,
        "schedule": schedule_facts(deployed.schedule),
        "parameters": {
            parameter.name: {"help": parameter.help, "default": parameter.default, "required": parameter.required}
            for parameter in deployed.parameters
        },
        "backend": deployed.backend.name,
    }


def schedule_facts(schedule: Schedule | None) -> dict[str, object] | None:
    return {"cron": schedule.cron, "timezone": schedule.timezone} if schedule else None


def row(deployed: DeployedFlow) -> tuple[str, ...]:
    """A deployment as a line of a table."""
    schedule = told(deployed.schedule) if deployed.schedule else ""
    return deployed.name, deployed.flow_name, deployed.version, deployed.deployer, moment(deployed.created), schedule
