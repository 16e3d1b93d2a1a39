"""`mfhera list`, `delete` and `rollback`: what is deployed, and was."""

from __future__ import annotations

from collections.abc import Sequence

import click

from metaflow_hera.cli.beginnings import beginnings_facts, starts
from metaflow_hera.cli.deploy import facts, row
from metaflow_hera.cli.options import backend_option, json_option, settings_of
from metaflow_hera.cli.output import moment, print_json, print_table, tell, tell_where
from metaflow_hera.cli.tokens import authorize_option
from metaflow_hera.deploy.deployed import deployed, deployments
from metaflow_hera.deploy.versions import DeployedVersion


@click.command("list")
@click.argument("name", required=False)
@click.option("--versions", "of_versions", is_flag=True, help="The versions that they had, the newest first.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Of versions of each.")
@backend_option
@json_option
def list_command(name: str | None, of_versions: bool, limit: int, backend: str | None, as_json: bool) -> None:
    """List the deployed flows, or the versions that they had.

    \b
    Examples:
      mfhera list
      mfhera list --versions parameterflow
    """
    settings = settings_of(backend=backend)
    found = [deployed(name, settings)] if name else deployments(settings)
    if of_versions and found:
        known = [(each.name, version) for each in found for version in each.versions(limit)]
        _print_versions(known, as_json=as_json)
        return
    if as_json:
        print_json([facts(each) for each in found])
    elif found:
        print_table(("NAME", "FLOW", "VERSION", "BY", "DEPLOYED", "STARTS BY ITSELF"), [row(each) for each in found])
    else:
        tell(f"nothing is deployed in {settings.data_dir}; deploy a flow with: mfhera deploy flow.py")
        tell_where(settings)


def _print_versions(known: Sequence[tuple[str, DeployedVersion]], *, as_json: bool) -> None:
    if as_json:
        print_json([_version_facts(name, version) for name, version in known])
        return
    headings = ("NAME", "VERSION", "DEPLOYED", "BY", "CODE", "STARTS BY ITSELF", "")
    print_table(headings, [_version_row(name, version) for name, version in known])


def _version_facts(name: str, version: DeployedVersion) -> dict[str, object]:
    return {
        "name": name,
        "version": version.version,
        "deployed": version.deployed,
        "deployer": version.deployer,
        "code": version.code,
        **beginnings_facts(version.plan),
        "live": version.is_live,
    }


def _version_row(name: str, version: DeployedVersion) -> tuple[str, ...]:
    live = "live" if version.is_live else ""
    code = version.code[:10]
    return name, version.version, moment(version.deployed), version.deployer, code, starts(version.plan), live


@click.command()
@click.argument("name")
@click.argument("version", required=False)
@authorize_option
@backend_option
@json_option
def rollback(name: str, version: str | None, authorize: str | None, backend: str | None, as_json: bool) -> None:
    """Put an earlier version of a deployment back, by default the one before.

    Its code, parameters, schedule and triggers are then those of that version; runs in flight keep theirs. Whose the
    deployment is, and its production namespace, stay as they are.

    \b
    Examples:
      mfhera rollback parameterflow
      mfhera rollback parameterflow a2a0780451
    """
    made = deployed(name, settings_of(backend=backend)).rollback(version, authorize)
    if as_json:
        print_json(facts(made) | {"replaces": made.previous})
    elif made.previous == made.version:
        click.echo(f"{name} is at version {made.version} already")
    else:
        click.echo(f"{name} is rolled back to version {made.version}; runs in flight of {made.previous} go on")


@click.command()
@click.argument("name")
@authorize_option
@backend_option
@json_option
def delete(name: str, authorize: str | None, backend: str | None, as_json: bool) -> None:
    """Delete a deployment, its schedule and its triggers; runs in flight go on, and what ran stays readable.

    \b
    Example:
      mfhera delete parameterflow
    """
    deployed(name, settings_of(backend=backend)).delete(authorize)
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"{name} is deleted")
