"""`mfhera deploy`: a flow becomes the newest version of its deployment."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.beginnings import beginnings_facts, print_beginnings, starts, told_schedule
from metaflow_hera.cli.flow_help import help_of, required_words
from metaflow_hera.cli.launching import launch_options, taken_launch
from metaflow_hera.cli.lifecycle import lifecycle_options, taken_lifecycle
from metaflow_hera.cli.options import (
    dry_run_option,
    events_option,
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
from metaflow_hera.deploy.deployed_flows import DeployedFlow
from metaflow_hera.deploy.deployment import check_deployment, deploy_checked
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.deploy.starting import told
from metaflow_hera.naming import PRODUCTION_TAG


@click.command()
@click.argument("flow")
@options(flow_option, with_option, max_workers_option, name_option, tag_option, place_options, suffixes_option)
@options(events_option, token_options, namespace_option)
@launch_options
@lifecycle_options
@dry_run_option
@json_option
def deploy(
    flow: str, flow_name: str | None, with_: tuple[str, ...], dry_run: bool, as_json: bool, **chosen: Any
) -> None:
    """Deploy a flow: check it, package its code, translate it, and make it the newest version.

    Runs in flight keep the version that they started with.

    \b
    Examples:
      mfhera deploy flow.py --with retry
      mfhera deploy flow.py --max-workers 500 --name staging
      mfhera deploy flow.py --dry-run
    """
    settings = settings_of(chosen["datastore"], chosen["backend"], package_suffixes=chosen["package_suffixes"])
    checked = check_flow(flow, name=flow_name, with_=with_, launch=taken_launch(chosen))
    choices = Choices(
        max_workers=chosen["max_workers"],
        name=chosen["name"],
        tags=chosen["tags"],
        namespace=chosen["namespace"] or "",
        publishes=chosen["auto_emit_argo_events"],
        lifecycle=taken_lifecycle(chosen),
    )
    tokens = taken_tokens(chosen)
    if dry_run:
        print_checked_only(check_deployment(checked, choices, settings, tell, tokens=tokens), as_json=as_json)
    else:
        print_deployed(deploy_checked(checked, choices, settings, tell, tokens=tokens), as_json=as_json)


def print_checked_only(planned: DeployedFlow, *, as_json: bool = False) -> None:
    if as_json:
        print_json(facts(planned) | {"replaces": planned.previous, "dry_run": True})
        return
    name, version = click.style(planned.name, bold=True), planned.version
    click.echo(
        f"{planned.flow_name} can be deployed as {name} on the {planned.backend.name} backend, version {version}"
    )
    if planned.previous:
        same = planned.previous == version
        click.echo("  the same version is deployed" if same else f"  it would replace version {planned.previous}")
    if planned.schedule:
        click.echo(f"  it would run by itself at {told_schedule(planned.schedule)}")
    elif planned.previous_schedule:
        click.echo(f"  its schedule would be removed: it runs by itself at {told_schedule(planned.previous_schedule)}")
    if planned.triggers:
        click.echo(f"  it would run by itself {told(planned.triggers)}")
    elif planned.previous_triggers:
        click.echo(f"  its triggers would be removed: it runs by itself {told(planned.previous_triggers)}")
    click.echo("  nothing was written")


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
    print_beginnings(deployed)
    click.echo(f"  start a run with: mfhera trigger {deployed.name}{required_words(deployed.parameters)}")


def facts(deployed: DeployedFlow) -> dict[str, object]:
    """A deployment as JSON."""
    return {
        "name": deployed.name,
        "flow": deployed.flow_name,
        "version": deployed.version,
        "deployer": deployed.deployer,
        "namespace": deployed.production_namespace,
        "created": deployed.created,
        "deployed": deployed.deployed_at,
        **beginnings_facts(deployed.plan),
        "parameters": {
            parameter.name: {"help": parameter.help, "default": parameter.default, "required": parameter.required}
            for parameter in deployed.parameters
        },
        "backend": deployed.backend.name,
    }


def row(deployed: DeployedFlow) -> tuple[str, ...]:
    """A deployment as a line of a table."""
    known = deployed.name, deployed.flow_name, deployed.version, deployed.deployer, moment(deployed.deployed_at)
    return *known, starts(deployed.plan)
