"""`mfhera logs`: what tasks printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import click

from metaflow_hera.cli import collector
from metaflow_hera.cli.follow import interruptible
from metaflow_hera.cli.options import json_option, options, place_options, settings_of
from metaflow_hera.cli.output import print_json, tell
from metaflow_hera.deploy.exit_logs import read_exit_logs
from metaflow_hera.deploy.logs import ALL_STREAMS, LogLine, follow_logs, read_logs, select
from metaflow_hera.records.logs import STDERR, STDOUT


@click.command()
@click.argument("target", metavar="RUN[/STEP[/TASK]]")
@options(
    click.option("-f", "--follow", is_flag=True, help="Go on with what is printed until the run ends."),
    click.option("--stdout", "only", flag_value=STDOUT, help="Standard output only."),
    click.option("--stderr", "only", flag_value=STDERR, help="Standard error only."),
    click.option("--exit", "of_exit", is_flag=True, help="What exit hooks printed, and whether people were told."),
    click.option("--attempt", type=click.IntRange(min=0), help="This attempt, from 0, instead of each task's last."),
    place_options,
    json_option,
)
def logs(
    target: str,
    follow: bool,
    only: str | None,
    of_exit: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Print what the tasks of a run printed, each line with its task before it.

    RUN is an id as `mfhera runs` shows it, or Flow/id. The lines of a single task are printed as they were.

    \b
    Examples:
      mfhera logs argo-parameterflow-x7k2p
      mfhera logs argo-parameterflow-x7k2p/train/3 --stderr
      mfhera logs argo-parameterflow-x7k2p --follow
      mfhera logs argo-parameterflow-x7k2p --exit
    """
    settings = settings_of(chosen["datastore"], chosen["backend"])
    streams = (only,) if only else ALL_STREAMS
    if of_exit:
        exits = read_exit_logs(target, settings, streams)
        print_lines(exits, f"the end of {target}", streams, is_single=True, as_json=as_json)
        return
    selection = select(target, settings, chosen["attempt"], streams)
    print_selected = partial(print_lines, of=target, streams=streams, is_single=bool(selection.path), as_json=as_json)
    if not follow:
        print_selected(read_logs(selection, settings, tell))
        return
    collector.resume()
    with interruptible(selection.flow, selection.run):
        print_selected(follow_logs(selection, settings, tell=tell))


def print_lines(
    lines: Iterable[LogLine], of: str, streams: Sequence[str], *, is_single: bool, as_json: bool = False
) -> None:
    """Print the lines of these streams of something; if there are none, say so."""
    has_printed = False
    for line in lines:
        has_printed = True
        if as_json:
            print_json({name: getattr(line, name) for name in LogLine.__slots__})
        else:
            place = "" if is_single else click.style(f"[{line.step}/{line.path}] ", fg="cyan")
            click.echo(place + line.text)
    if not has_printed:
        tell(f"{of} has printed nothing" + (f" to {streams[0]}" if len(streams) == 1 else ""))
