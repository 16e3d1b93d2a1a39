"""`mfhera dump`: the artifacts of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from metaflow_hera.cli.options import json_option, options, place_options, settings_of
from metaflow_hera.cli.output import print_json, tell
from metaflow_hera.cli.peer import program_of
from metaflow_hera.deploy.dumping import DumpedTask
from metaflow_hera.deploy.dumping import dump as dumped
from metaflow_hera.errors import UsageError
from metaflow_hera.settings import Settings

SHOWN = 1000
"""Bytes of a stored value, unless the user says otherwise."""

own_options = options(
    click.option("--private", is_flag=True, help="Also artifacts whose names begin with '_'."),
    click.option(
        "--max-value-size",
        type=click.IntRange(min=0),
        default=SHOWN,
        show_default=True,
        metavar="BYTES",
        help="Print no value that is stored in more than this.",
    ),
    click.option("--include", default="", metavar="NAME,…", help="These artifacts only, also private ones."),
    click.option(
        "--file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Instead of printing, pickle {task: {artifact: value}} into this file.",
    ),
)


@click.command()
@click.argument("target", metavar="RUN[/STEP[/TASK]]")
@options(own_options, place_options, json_option)
def dump(target: str, datastore: str | None, backend: str | None, **chosen: Any) -> None:
    """Print the artifacts of tasks: names, types, sizes and values.

    RUN is an id as `mfhera runs` shows it, or Flow/id.

    \b
    Examples:
      mfhera dump argo-parameterflow-x7k2p/end
      mfhera dump argo-parameterflow-x7k2p/train/3 --include loss --file loss.pickle
    """
    _dump(target, settings_of(datastore, backend), **chosen)


@click.command("dump")
@click.argument("path", metavar="RUN[/STEP[/TASK]]")
@own_options
@click.pass_context
def dump_of_program(ctx: click.Context, /, path: str, **chosen: Any) -> None:
    """Print the artifacts of tasks."""
    program = program_of(ctx)
    _dump(program.of_flow(path), program.load(), as_json=False, **chosen)


def _dump(
    target: str,
    settings: Settings,
    *,
    private: bool,
    max_value_size: int,
    include: str,
    file: str | None,
    as_json: bool,
) -> None:
    names = [name.strip() for name in include.split(",") if name.strip()]
    found = list(dumped(target, settings, include=names, private=private))
    if file:
        _pickle(found, file)
    elif as_json:
        print_json([_facts(task, max_value_size) for task in found])
    else:
        for task in found:
            _print(task, max_value_size)


def _pickle(found: list[DumpedTask], file: str) -> None:
    import cloudpickle  # what a step leaves may be a lambda; its bytes are a pickle like any other

    data = cloudpickle.dumps({task.pathspec: task.values for task in found})
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}; name another file") from error
    tell(f"the artifacts of {len(found)} tasks are in {file}")


def _facts(task: DumpedTask, limit: int) -> dict[str, object]:
    artifacts = [
        {"name": name, "type": ref.type, "bytes": ref.size, "value": _shown(task, name, limit)}
        for name, ref in task.refs.items()
    ]
    return {"task": task.pathspec, "attempt": task.attempt, "artifacts": artifacts}


def _print(task: DumpedTask, limit: int) -> None:
    click.echo(click.style(f"{task.pathspec} (attempt {task.attempt})", bold=True))
    for name, ref in task.refs.items():
        value = _shown(task, name, limit)
        click.echo(f"  {name} ({ref.type}, {ref.size:,} bytes): " + ("not shown" if value is None else value))


def _shown(task: DumpedTask, name: str, limit: int) -> str | None:
    """A value as text, None if it is too large."""
    if task.refs[name].size > limit:
        return None
    try:
        return repr(task.value(name))
    except Exception as error:  # noqa: BLE001  (the user's class may do anything to come back, and to be shown)
        return f"cannot be shown: {error}"
