"""``python flow.py tag …``: the tags of a flow's runs, in the peer's grammar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import options
from metaflow_hera.cli.peer import program_of
from metaflow_hera.cli.tag import apply, check_pair, hide_option, pair_options, print_tags, tags_argument
from metaflow_hera.client import Run
from metaflow_hera.client import namespace as choose_namespace
from metaflow_hera.deploy.tagging import by_tag, run_to_tag, runs_with_tags

F = TypeVar("F", bound=Callable[..., Any])

run_options = options(
    click.option("--run-id", metavar="RUN", help="The run that is meant."),
    click.option("--namespace", metavar="TAG", help="Runs with this tag, and not yours."),
)


def _run(ctx: click.Context, run_id: str | None, namespace: str | None) -> Run:
    program = program_of(ctx)
    if namespace is not None:
        choose_namespace(namespace or None)
    return run_to_tag(program.flow_name, run_id, program.load())


@click.command()
@tags_argument
@run_options
@click.pass_context
def add(ctx: click.Context, /, tags: tuple[str, ...], run_id: str | None, namespace: str | None) -> None:
    """Set tags; one that is there already stays."""
    apply(_run(ctx, run_id, namespace), add=tags)


@click.command()
@tags_argument
@run_options
@click.pass_context
def remove(ctx: click.Context, /, tags: tuple[str, ...], run_id: str | None, namespace: str | None) -> None:
    """Take tags away; system tags stay."""
    apply(_run(ctx, run_id, namespace), remove=tags)


@click.command()
@options(pair_options, run_options)
@click.pass_context
def replace(ctx: click.Context, /, run_id: str | None, namespace: str | None, **pair: tuple[str, ...]) -> None:
    """Take tags away and set others, as one change."""
    check_pair(**pair)
    apply(_run(ctx, run_id, namespace), add=pair["add"], remove=pair["remove"])


@click.command("list")
@options(
    run_options,
    hide_option,
    click.option("--all", "of_all", is_flag=True, help="The tags of the runs of everybody."),
    click.option("--my-runs", is_flag=True, help="The tags of all of your runs."),
    click.option("--group-by-tag", "group", flag_value="tag", help="Each tag with the runs that have it."),
    click.option("--group-by-run", "group", flag_value="run", help="Each run with its tags."),
    click.option("--flat", is_flag=True, hidden=True, help="One a line, as without it."),
)
@click.pass_context
def list_command(ctx: click.Context, /, run_id: str | None, namespace: str | None, **chosen: Any) -> None:
    """Print the tags of a run, or of many."""
    system = not chosen["hide_system_tags"]
    if not (chosen["of_all"] or chosen["my_runs"]):
        print_tags(_run(ctx, run_id, namespace), system=system)
        return
    program = program_of(ctx)
    if namespace is not None:
        choose_namespace(namespace or None)
    flow = program.flow_name
    found = list(runs_with_tags(flow, program.load(), of_everybody=chosen["of_all"], system=system))
    if chosen["group"] == "run":
        lines = [f"{run.id}: {', '.join(sorted(tags))}" for run, tags in found]
    elif chosen["group"] == "tag":
        lines = [f"{tag}: {', '.join(runs)}" for tag, runs in by_tag(found).items()]
    else:
        lines = list(by_tag(found))
    for line in lines:
        click.echo(line)


@click.group(cls=CommandGroup, commands={"add": add, "remove": remove, "replace": replace, "list": list_command})
def tag() -> None:
    """Set, remove and list the tags of runs."""
