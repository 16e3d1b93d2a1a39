"""The process of a flow that Python code started: ``python -m metaflow_hera.api.child FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from metaflow_hera import compat
from metaflow_hera.api.arguments import to_words
from metaflow_hera.api.exchange import RUN_ID, Reply, Request, settings_to_tell
from metaflow_hera.cli import collector
from metaflow_hera.cli.group import ToldError
from metaflow_hera.cli.parameters import FlowCommand
from metaflow_hera.cli.peer import Program, flow_group, program_of
from metaflow_hera.deploy.deployed_flows import DeployedFlow
from metaflow_hera.errors import ArgumentTypeError, MetaflowHeraError, UsageError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.graph.as_json import to_json

USAGE = UsageError.exit_code


def main(folder: Path) -> int:
    """Do what is asked for; return the exit code."""
    collector.pause()
    compat.install()
    request = Request.read(folder)
    try:
        words, reply = _understood(request, folder)
    except UsageError as error:
        Reply(refused=error.message, is_wrong_type=isinstance(error, ArgumentTypeError)).write(folder)
        return USAGE
    except MetaflowHeraError as error:
        ToldError(error.message).show()
        return error.exit_code
    reply.write(folder)
    return _run(request, words, reply, folder)


def _run(request: Request, words: list[str], reply: Reply, folder: Path) -> int:
    program = Program(target=request.target)
    try:
        result = flow_group.main(words, f"python -m metaflow_hera {request.target}", standalone_mode=False, obj=program)
    except click.ClickException as error:
        if error.exit_code == USAGE and not (folder / RUN_ID).exists():
            replace(reply, refused=error.format_message()).write(folder)
        else:
            error.show()
        return error.exit_code
    except click.Abort:
        return 1
    if isinstance(result, int):  # what click makes of `Context.exit`
        return result
    replace(reply, result=_told(result)).write(folder)
    return 0


def _told(result: object) -> object:
    """What a command gave, as JSON can hold it."""
    if not isinstance(result, DeployedFlow):
        return result
    assert result.graph is not None, "what was deployed just now is known"
    return {"name": result.name, "graph": to_json(result.graph)}


def _understood(request: Request, folder: Path) -> tuple[list[str], Reply]:
    """The command line that does what is asked for, and who will do it."""
    words: list[str] = []
    *groups, last = request.levels
    with ExitStack() as contexts:
        command: click.Command = flow_group
        context: click.Context | None = None
        for group, following in zip(groups, request.levels[1:], strict=True):
            own = [*to_words(group.call, group.given, command.params), following.command]
            context = contexts.enter_context(_opened(command, context, own, request))
            command = _found(command, context, following.command)
            words += own
        if any(param.name == "run_id_file" for param in command.params):
            words += ["--run-id-file", str(folder / RUN_ID)]
        parameters = command.parameters() if isinstance(command, FlowCommand) else ()
        words += to_words(last.call, last.given, command.params, parameters)
        program = program_of(click.get_current_context())
        settings = settings_to_tell(program.load())
        return words, Reply(flow=load_flow(program.target).__name__, settings=settings)


def _found(group: click.Command, context: click.Context, name: str) -> click.Command:
    assert isinstance(group, click.Group)
    found = group.get_command(context, name)
    assert found is not None, f"{name} is a command of ours"
    return found


@contextmanager
def _opened(
    group: click.Command, parent: click.Context | None, words: list[str], request: Request
) -> Iterator[click.Context]:
    """The context in which the commands of a group run, after what the group itself does."""
    more: dict[str, Any] = {"obj": Program(target=request.target)} if parent is None else {}
    context = group.make_context(group.name, list(words), parent, **more)
    with context:
        context.invoked_subcommand = words[-1]
        callback: Callable[..., object] | None = group.callback
        if callback is not None:
            callback(**context.params)
        yield context


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
