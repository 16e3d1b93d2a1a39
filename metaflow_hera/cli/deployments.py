"""`mfhera list` and `mfhera delete`: what is deployed."""

from __future__ import annotations

import click

from metaflow_hera.cli.deploy import facts, row
from metaflow_hera.cli.options import backend_option, json_option, settings_of
from metaflow_hera.cli.output import print_json, print_table, tell, tell_where
from metaflow_hera.deploy.deployment import deployed, deployments


@click.command("list")
@backend_option
@json_option
def list_command(backend: str | None, as_json: bool) -> None:
    """List the deployed flows.

    \b
    Example:
      mfhera list
    """
    settings = settings_of(backend=backend)
    found = deployments(settings)
    if as_json:
        print_json([facts(each) for each in found])
    elif found:
        print_table(("NAME", "FLOW", "VERSION", "BY", "DEPLOYED", "STARTS BY ITSELF"), [row(each) for each in found])
    else:
        tell(f"nothing is deployed in {settings.data_dir}; deploy a flow with: mfhera deploy flow.py")
        tell_where(settings)


@click.command()
@click.argument("name")
@backend_option
@json_option
def delete(name: str, backend: str | None, as_json: bool) -> None:
    """Delete a deployment, its schedule and its triggers; runs in flight go on, and what ran stays readable.

    \b
    Example:
      mfhera delete parameterflow
    """
    deployed(name, settings_of(backend=backend)).delete()
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"{name} is deleted")
