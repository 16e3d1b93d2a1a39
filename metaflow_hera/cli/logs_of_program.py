"""``python flow.py logs …``: what the tasks of a flow printed, in the peer's grammar."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.logs import print_lines
from metaflow_hera.cli.options import options
from metaflow_hera.cli.output import tell
from metaflow_hera.cli.peer import program_of
from metaflow_hera.deploy.logs import ALL_STREAMS, Selection, read_logs, select
from metaflow_hera.deploy.scrubbing import scrub_logs
from metaflow_hera.errors import UsageError
from metaflow_hera.records.logs import STDERR, STDOUT

selection_options = options(
    click.argument("path", metavar="RUN/STEP[/TASK]"),
    click.option("--stdout", "only", flag_value=STDOUT, help="Standard output only."),
    click.option("--stderr", "only", flag_value=STDERR, help="Standard error only."),
    click.option("--both", "only", flag_value="", help="Both, as without it."),
    click.option("--attempt", type=click.IntRange(min=0), help="This attempt, from 0, instead of each task's last."),
)


def _selection(ctx: click.Context, path: str, only: str | None, attempt: int | None) -> Selection:
    program = program_of(ctx)
    return select(program.of_flow(path), program.load(), attempt, (only,) if only else ALL_STREAMS)


@click.command()
@selection_options
@click.option("--timestamps", is_flag=True, hidden=True, help="Lines have no times of their own.")
@click.pass_context
def show(ctx: click.Context, /, path: str, only: str | None, attempt: int | None, timestamps: bool) -> None:
    """Print what tasks printed, task after task."""
    if timestamps:
        tell("lines are kept as they were printed, so there are no times to show")
    selection = _selection(ctx, path, only, attempt)
    print_lines(read_logs(selection, program_of(ctx).load()), path, selection.streams, is_single=True)


@click.command()
@selection_options
@click.option("--latest/--all", "only_latest", default=True, help="The last attempt of each task, or all attempts.")
@click.option("--include-not-done", is_flag=True, help="Also of tasks that still run.")
@click.pass_context
def scrub(ctx: click.Context, /, path: str, only: str | None, attempt: int | None, **chosen: Any) -> None:
    """Remove what tasks printed."""
    selection = _selection(ctx, path, only, attempt)
    if not selection.step:
        raise UsageError(f"{path!r} is a whole run; name the step whose logs are to be removed, as {path}/STEP")
    scrubbed = scrub_logs(
        selection,
        program_of(ctx).load(),
        all_attempts=not chosen["only_latest"],
        include_not_done=chosen["include_not_done"],
    )
    for task, is_removed in scrubbed:
        click.echo(f"{task}: " + ("logs removed" if is_removed else "left, since it is not done: --include-not-done"))


class _Logs(CommandGroup):
    """Shows logs where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args[:1] and (args[0] in self.list_commands(ctx) or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if named or not args else ["show", *args])


@click.group(cls=_Logs, commands={"show": show, "scrub": scrub})
def logs() -> None:
    """Print what tasks printed, or remove it."""
