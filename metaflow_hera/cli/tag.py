"""`mfhera tag`: the tags of runs."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import datastore_option, json_option, options, settings_of
from metaflow_hera.cli.output import print_json, tell
from metaflow_hera.client import Run
from metaflow_hera.client import namespace as choose_namespace
from metaflow_hera.deploy.recorded import open_records
from metaflow_hera.deploy.runs import locate
from metaflow_hera.deploy.tagging import change, tags_of
from metaflow_hera.errors import UsageError
from metaflow_hera.naming import pathspec

run_argument = click.argument("run")
tags_argument = click.argument("tags", nargs=-1, required=True, metavar="TAG…")
hide_option = click.option("--hide-system-tags", is_flag=True, help="Only tags that users set.")
pair_options = options(
    click.option("--add", multiple=True, metavar="TAG", help="Set this one; repeatable."),
    click.option("--remove", multiple=True, metavar="TAG", help="Take this one away; repeatable."),
)


def _run(target: str, datastore: str | None) -> Run:
    settings = settings_of(datastore)
    flow, run, _ = locate(target, settings)
    choose_namespace(None)  # a run that is named in full is meant, whose ever it is
    return Run(pathspec(flow, run), store=open_records(settings))


@click.command()
@run_argument
@tags_argument
@options(datastore_option, json_option)
def add(run: str, tags: tuple[str, ...], datastore: str | None, as_json: bool) -> None:
    """Set tags; one that is there already stays."""
    apply(_run(run, datastore), add=tags, as_json=as_json)


@click.command()
@run_argument
@tags_argument
@options(datastore_option, json_option)
def remove(run: str, tags: tuple[str, ...], datastore: str | None, as_json: bool) -> None:
    """Take tags away; system tags stay."""
    apply(_run(run, datastore), remove=tags, as_json=as_json)


@click.command()
@run_argument
@options(pair_options, datastore_option, json_option)
def replace(run: str, datastore: str | None, as_json: bool, **pair: tuple[str, ...]) -> None:
    """Take tags away and set others, as one change."""
    check_pair(**pair)
    apply(_run(run, datastore), add=pair["add"], remove=pair["remove"], as_json=as_json)


@click.command("list")
@run_argument
@options(hide_option, datastore_option, json_option)
def list_command(run: str, hide_system_tags: bool, datastore: str | None, as_json: bool) -> None:
    """Print the tags of a run, one a line."""
    print_tags(_run(run, datastore), system=not hide_system_tags, as_json=as_json)


def check_pair(add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    for given, other, word in ((add, "tag remove", "--add"), (remove, "tag add", "--remove")):
        if not given:
            raise UsageError(f"name at least one tag with {word}, or use `{other}`")


def apply(run: Run, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), *, as_json: bool = False) -> None:
    """Change the tags, and print those that the run has then."""
    change(run, add, remove)
    tell(f"tags of {run.pathspec}:")
    print_tags(run, as_json=as_json)


def print_tags(run: Run, *, system: bool = True, as_json: bool = False) -> None:
    if as_json:
        facts: dict[str, Any] = {"run": run.id, "tags": sorted(run.user_tags)}
        print_json(facts | ({"system_tags": sorted(run.system_tags)} if system else {}))
        return
    for tag in sorted(tags_of(run, system=system)):
        click.echo(tag)


@click.group(cls=CommandGroup, commands={"add": add, "remove": remove, "replace": replace, "list": list_command})
def tag() -> None:
    """Set, remove and list the tags of a run.

    RUN is an id as `mfhera runs` shows it, or Flow/id.

    \b
    Examples:
      mfhera tag add argo-parameterflow-x7k2p good
      mfhera tag replace argo-parameterflow-x7k2p --remove good --add best
    """
