"""``python flow.py output-dot``, ``output-raw``, ``version`` and ``help``: a flow described for other programs."""

from __future__ import annotations

import json

import click

from metaflow_hera import __version__
from metaflow_hera.cli.peer import program_of
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.drawing.dot import to_dot
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.graph.info import graph_info
from metaflow_hera.records.values import type_name


@click.command("output-dot")
@click.pass_context
def output_dot(ctx: click.Context) -> None:
    """Print the graph in the language of Graphviz."""
    click.echo(to_dot(program_of(ctx).check().graph))


@click.command("output-raw")
@click.option("--json", "as_json", is_flag=True, help="It is JSON anyhow.")
@click.pass_context
def output_raw(ctx: click.Context, /, as_json: bool) -> None:
    """Print the steps, how they hang together, their decorators and the flow's parameters, as JSON."""
    click.echo(json.dumps(described(program_of(ctx).check()), indent=2, ensure_ascii=False))


def described(checked: CheckedFlow) -> dict[str, object]:
    """What ``_graph_info`` has of a run of the flow."""
    parameters = {name: type_name(each.type) for name, each in parameters_of(checked.flow_class).items()}
    constants = {name: type_name(type(value)) for name, value in constants_of(checked.flow_class).items()}
    return graph_info(checked.graph, parameters, constants)


@click.command()
def version() -> None:
    """Print the version of metaflow_hera."""
    click.echo(__version__)


@click.command("help")
@click.pass_context
def help_command(ctx: click.Context) -> None:
    """Print all commands."""
    click.echo(ctx.find_root().get_help())
