"""`mfhera event`: events that start deployed flows."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from metaflow_hera.backends.embedded import StoredEvent
from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import backend_option, json_option, settings_of
from metaflow_hera.cli.output import moment, print_json, print_table, tell, tell_where
from metaflow_hera.deploy.events import events, publish_event
from metaflow_hera.naming import workflow_run_id


@click.command("publish")
@click.argument("name")
@click.option("--payload", "fields", multiple=True, metavar="NAME=TEXT", help="A field of the payload; repeatable.")
@click.option("--payload-json", metavar="JSON", help="The payload, or more fields of it, as a JSON object.")
@backend_option
@json_option
def publish_command(
    name: str, fields: tuple[str, ...], payload_json: str | None, backend: str | None, as_json: bool
) -> None:
    """Publish an event, as ArgoEvent(NAME).publish() does in Python; print its id.

    It goes to the webhook that events_url is set to; without one, to the flows on the embedded engine.

    \b
    Examples:
      mfhera event publish data_ready --payload table=orders
      mfhera event publish data_ready --payload-json '{"rows": 1000}'
    """
    identity = publish_event(name, fields, payload_json, settings_of(backend=backend))
    if as_json:
        print_json({"name": name, "id": identity})
    else:
        click.echo(identity)


@click.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@backend_option
@json_option
def list_command(limit: int, backend: str | None, as_json: bool) -> None:
    """List the events that came to the embedded engine, the newest first, and what they started.

    \b
    Example:
      mfhera event list
    """
    settings = settings_of(backend=backend)
    found = events(settings, limit)
    if as_json:
        print_json([_facts(event) for event in found])
    elif found:
        rows = [(moment(_time(each)), each.name, _came(each)) for each in found]
        print_table(("PUBLISHED", "EVENT", "STARTED"), rows)
    else:
        tell("no events have come; publish one with: mfhera event publish NAME")
        tell_where(settings)


def _time(event: StoredEvent) -> datetime:
    return datetime.fromtimestamp(event.at, UTC)


def _came(event: StoredEvent) -> str:
    """What came of it so far."""
    runs = [workflow_run_id(workflow) for workflow in event.runs]
    return ", ".join([*runs, *(f"{name} (waits for more)" for name in event.awaiting)]) or "-"


def _facts(event: StoredEvent) -> dict[str, object]:
    return {
        "name": event.name,
        "published": _time(event),
        "payload": event.fields,
        "runs": [workflow_run_id(workflow) for workflow in event.runs],
        "awaiting": list(event.awaiting),
    }


event = CommandGroup(
    commands={"publish": publish_command, "list": list_command},
    name="event",
    help="Events: publish one, and see what came and what it started.",
)
