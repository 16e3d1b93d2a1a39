"""`mfhera engine`: the embedded engine of this machine."""

from __future__ import annotations

import click

from metaflow_hera.backends.embedded import EngineStatus, engine_status, start_engine, stop_engine
from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import json_option, settings_of
from metaflow_hera.cli.output import print_json


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether an engine runs, and for what.

    \b
    Example:
      mfhera engine status
    """
    _print(engine_status(settings_of()), as_json=as_json)


@click.command()
@json_option
def start(as_json: bool) -> None:
    """Start the engine, if none runs.

    Triggering a run does it too, and so do publishing an event and deploying a flow with a schedule.

    \b
    Example:
      mfhera engine start
    """
    _print(start_engine(settings_of()), as_json=as_json)


@click.command()
@json_option
def stop(as_json: bool) -> None:
    """End the engine; tasks go on to their end, and the next engine takes up their runs.

    \b
    Example:
      mfhera engine stop
    """
    _print(stop_engine(settings_of()), as_json=as_json)


def _print(status: EngineStatus, *, as_json: bool) -> None:
    if as_json:
        facts = {"pid": status.pid, "data_dir": str(status.data_dir), "log": str(status.log)}
        print_json(facts | {"unfinished_runs": status.unfinished_runs, "tasks_at_once": status.tasks_at_once})
        return
    state = f"runs as process {status.pid}" if status.pid else "does not run"
    click.echo(f"the engine of {status.data_dir} {state}; runs that have not ended: {status.unfinished_runs}")
    click.echo(f"  tasks of all runs at once: {status.tasks_at_once}")
    click.echo(f"  log: {status.log}")


engine = CommandGroup(
    commands={"status": status, "start": start, "stop": stop},
    name="engine",
    help="The embedded engine: runs deployed flows on this machine, in the background, by schedules and events, too.",
)
