"""`mfhera card`: the pages that @card keeps of tasks."""

from __future__ import annotations

import sys
from typing import Any

import click

from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import json_option, options, place_options, settings_of
from metaflow_hera.cli.output import print_json, print_table, tell, write_file
from metaflow_hera.cli.peer import program_of
from metaflow_hera.deploy.cards import FoundCard, Wanted, find_cards, locate_in, the_card
from metaflow_hera.flow.load import load_flow
from metaflow_hera.settings import Settings

choice_options = options(
    click.option("--id", metavar="ID", help="The card with this id."),
    click.option("--type", metavar="TYPE", help="The card of this type."),
    click.option("--hash", default="", metavar="HASH", help="The card whose hash begins so."),
    click.option(
        "--follow-resumed/--no-follow-resumed",
        default=True,
        help="Of a task that a resumed run took over, the cards of the task that ran.",
    ),
)
target_argument = click.argument("target", metavar="RUN[/STEP[/TASK]]")
file_argument = click.argument("file", required=False, type=click.Path(dir_okay=False))


@click.command()
@target_argument
@choice_options
@place_options
def view(target: str, datastore: str | None, backend: str | None, **wanted: Any) -> None:
    """Open a card in a browser; without a terminal, print where it is.

    \b
    Examples:
      mfhera card view argo-parameterflow-x7k2p/train/3
      mfhera card view argo-parameterflow-x7k2p/train --id metrics
    """
    _view(the_card(target, Wanted(**wanted), settings_of(datastore, backend)))


@click.command()
@target_argument
@file_argument
@choice_options
@place_options
def get(target: str, file: str | None, datastore: str | None, backend: str | None, **wanted: Any) -> None:
    """Print the HTML of a card, or write it to a file."""
    _get(the_card(target, Wanted(**wanted), settings_of(datastore, backend)), file)


@click.command("list")
@target_argument
@choice_options
@place_options
@json_option
def list_command(target: str, datastore: str | None, backend: str | None, as_json: bool, **wanted: Any) -> None:
    """List the cards of a run, a step or a task."""
    _list(find_cards(target, Wanted(**wanted), settings_of(datastore, backend)), as_json=as_json)


card = CommandGroup(
    commands={"view": view, "get": get, "list": list_command}, name="card", help="See the cards of tasks."
)


@click.command("view")
@click.argument("target", metavar="[RUN/]STEP[/TASK]")
@choice_options
@click.pass_context
def view_of_program(ctx: click.Context, /, target: str, **wanted: Any) -> None:
    """Open a card in a browser; without a terminal, print where it is."""
    _view(the_card(*_meant(ctx, target, wanted)))


@click.command("get")
@click.argument("target", metavar="[RUN/]STEP[/TASK]")
@file_argument
@choice_options
@click.pass_context
def get_of_program(ctx: click.Context, /, target: str, file: str | None, **wanted: Any) -> None:
    """Print the HTML of a card, or write it to a file."""
    _get(the_card(*_meant(ctx, target, wanted)), file)


@click.command("list")
@click.argument("target", metavar="[RUN/]STEP[/TASK]")
@choice_options
@click.option("--as-json", is_flag=True, help="Print the result as JSON.")
@click.option("--file", type=click.Path(dir_okay=False), metavar="FILE", help="Write the JSON to this file.")
@click.pass_context
def list_of_program(ctx: click.Context, /, target: str, as_json: bool, file: str | None, **wanted: Any) -> None:
    """List the cards of a run, a step or a task."""
    _list(find_cards(*_meant(ctx, target, wanted)), as_json=as_json, file=file)


card_of_program = CommandGroup(
    commands={"view": view_of_program, "get": get_of_program, "list": list_of_program},
    name="card",
    help="See the cards of tasks; of a step alone, those of the latest run.",
)


def _meant(ctx: click.Context, target: str, wanted: dict[str, Any]) -> tuple[str, Wanted, Settings]:
    program = program_of(ctx)
    settings = program.load()
    return locate_in(load_flow(program.target).__name__, target, settings), Wanted(**wanted), settings


def _view(found: FoundCard) -> None:
    if sys.stdout.isatty():
        tell(f"opened {found.card.view()}")
    else:
        click.echo(found.card.path)


def _get(found: FoundCard, file: str | None) -> None:
    if file:
        write_file(file, found.card.get())
        tell(f"the card of {found.task} is in {file}")
    else:
        click.echo(found.card.get(), nl=False)


def _list(cards: list[FoundCard], *, as_json: bool, file: str | None = None) -> None:
    rows = [
        {
            "task": task,
            "attempt": attempt,
            "type": card.type,
            "id": card.id,
            "hash": card.hash,
            "path": card.path,
        }
        for task, attempt, card in cards
    ]
    if file:
        import json  # for this option only

        write_file(file, json.dumps(rows))
    elif as_json:
        print_json(rows)
    else:
        print_table(("TASK", "ATTEMPT", "TYPE", "ID", "HASH"), [_row(each) for each in cards])


def _row(found: FoundCard) -> tuple[str, ...]:
    task, attempt, card = found
    return task, str(attempt), card.type, card.id or "", card.hash[:12]
