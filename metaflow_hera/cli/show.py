"""`mfhera check` and `mfhera show`: a flow before it runs."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.flow_help import described_options, options_as_json
from metaflow_hera.cli.launching import launch_options, taken_launch
from metaflow_hera.cli.options import flow_option, json_option, options, with_option
from metaflow_hera.cli.output import print_json, tell, write_file
from metaflow_hera.deploy.source import CheckedFlow, check_flow
from metaflow_hera.deploy.starting import check_beginnings
from metaflow_hera.drawing import to_svg, to_text
from metaflow_hera.graph.as_json import to_json


@click.command()
@click.argument("flow")
@options(flow_option, with_option, launch_options)
@json_option
def check(flow: str, flow_name: str | None, with_: tuple[str, ...], as_json: bool, **chosen: Any) -> None:
    """Check a flow and tell everything that is wrong with it, with file, line and step.

    \b
    Example:
      mfhera check flow.py
    """
    checked = check_flow(flow, name=flow_name, with_=with_, launch=taken_launch(chosen))
    check_beginnings(checked)
    print_checked(checked, as_json=as_json)


@click.command()
@click.argument("flow")
@options(flow_option, with_option, launch_options)
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Write the picture to this file.")
@json_option
def show(
    flow: str, flow_name: str | None, with_: tuple[str, ...], svg: str | None, as_json: bool, **chosen: Any
) -> None:
    """Show the graph of a flow: as text, as SVG or as JSON.

    \b
    Examples:
      mfhera show flow.py
      mfhera show flow.py --svg flow.svg
    """
    print_shown(check_flow(flow, name=flow_name, with_=with_, launch=taken_launch(chosen)), svg, as_json=as_json)


def print_checked(checked: CheckedFlow, *, as_json: bool = False) -> None:
    steps, parameters = len(checked.graph.order), len(checked.parameters)
    if as_json:
        print_json({"flow": checked.name, "steps": steps, "parameters": parameters})
    else:
        click.echo(f"{checked.name} is in order: {steps} steps, {parameters} parameters")


def print_shown(checked: CheckedFlow, svg: str | None = None, *, as_json: bool = False) -> None:
    if svg:
        write_file(svg, to_svg(checked.graph))
        tell(f"{checked.name} is drawn in {svg}")
    if as_json:
        print_json(to_json(checked.graph) | options_as_json(checked.flow_class))
    elif not svg:
        click.echo(to_text(checked.graph))
        if described := described_options(checked.flow_class):
            click.echo(f"\n{described}", nl=False)
