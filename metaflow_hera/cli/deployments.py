"""`mfhera list`, `delete` and `rollback`: what is deployed, and was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from metaflow_hera.backends.open import open_backend
from metaflow_hera.cli.beginnings import beginnings_facts, starts
from metaflow_hera.cli.deploy import facts, row
from metaflow_hera.cli.options import json_option, settings_of
from metaflow_hera.cli.output import moment, print_json, print_table, tell, tell_where
from metaflow_hera.cli.targets import found, target_argument, target_options
from metaflow_hera.cli.tokens import authorize_option
from metaflow_hera.deploy.deployed_flows import deployed_by_any_version, deployments
from metaflow_hera.deploy.versions import DeployedVersion
from metaflow_hera.errors import BackendError


@click.command("list")
@click.argument("target", metavar="[FLOW_OR_NAME]", required=False)
@click.option("--versions", "of_versions", is_flag=True, help="The versions that they had, each once.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Of versions of each.")
@target_options
@json_option
def list_command(target: str | None, of_versions: bool, limit: int, as_json: bool, **chosen: Any) -> None:
    """List the deployed flows, or the versions that they had.

    \b
    Examples:
      mfhera list
      mfhera list --versions parameterflow
    """
    settings = settings_of(backend=chosen["backend"])
    shown = [found(target, chosen)] if target else deployments(settings)
    if of_versions and shown:
        known = [(each.name, version) for each in shown for version in each.versions(limit)]
        _print_versions(known, as_json=as_json)
        return
    if as_json:
        print_json([facts(each) for each in shown])
    elif shown:
        print_table(("NAME", "FLOW", "VERSION", "BY", "DEPLOYED", "STARTS BY ITSELF"), [row(each) for each in shown])
    else:
        tell(f"nothing is deployed in {open_backend(settings).where}; deploy a flow with: mfhera deploy flow.py")
        if settings.backend == "embedded":
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
        **_facts_of_plan(version),
        "live": version.is_live,
    }


def _facts_of_plan(version: DeployedVersion) -> dict[str, object]:
    try:
        return {"code": version.code, **beginnings_facts(version.plan)}
    except BackendError as error:
        return {"problem": str(error)}


def _version_row(name: str, version: DeployedVersion) -> tuple[str, ...]:
    try:
        of_plan = version.code[:10], starts(version.plan)
    except BackendError:
        of_plan = "", "unreadable: written by another metaflow-hera"
    live = "live" if version.is_live else ""
    return name, version.version, moment(version.deployed), version.deployer, *of_plan, live


@click.command()
@target_argument
@click.argument("version", required=False)
@authorize_option
@target_options
@json_option
def rollback(target: str, version: str | None, authorize: str | None, as_json: bool, **chosen: Any) -> None:
    """Put an earlier version of a deployment back, by default the one before.

    Its code, parameters, schedule and triggers are then those of that version; runs in flight keep theirs. Whose the
    deployment is, and its production namespace, stay as they are.

    \b
    Examples:
      mfhera rollback parameterflow
      mfhera rollback parameterflow a2a0780451
      mfhera rollback flow.py --production
    """
    made = found(target, chosen).rollback(version, authorize)
    if as_json:
        print_json(facts(made) | {"replaces": made.previous})
    elif made.previous == made.version:
        click.echo(f"{made.name} is at version {made.version} already")
    else:
        click.echo(f"{made.name} is rolled back to version {made.version}; runs in flight of {made.previous} go on")


@click.command()
@target_argument
@authorize_option
@target_options
@json_option
def delete(target: str, authorize: str | None, as_json: bool, **chosen: Any) -> None:
    """Delete a deployment, its schedule and its triggers; runs in flight go on, and what ran stays readable.

    \b
    Examples:
      mfhera delete parameterflow
      mfhera delete flow.py --branch trial
    """
    deployed = found(target, chosen, look=deployed_by_any_version)
    deployed.delete(authorize)
    if as_json:
        print_json({"deleted": deployed.name})
    else:
        click.echo(f"{deployed.name} is deleted")
