"""The groups of commands: each command's module is imported when it is used, and errors are told in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import IO, Any

import click

from metaflow_hera.cli.absent import ABSENT
from metaflow_hera.errors import MetaflowHeraError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def is_file(target: str) -> bool:
    """Whether a word means a flow's file, ``flow.py`` or ``flow.py:Name``, and not a deployed name."""
    return re.search(r"\.py(:\w*)?$", target) is not None or "/" in target


class ToldError(click.ClickException):
    """One of our errors as click ends a command with it: its message, no traceback."""

    def show(self, file: IO[Any] | None = None) -> None:
        first, _, rest = self.message.partition("\n")
        click.echo(click.style("Error: ", fg="red", bold=True) + first, err=True, file=file)
        if rest:
            click.echo("\n".join(f"       {line}" for line in rest.splitlines()), err=True, file=file)


class ToldUsageError(ToldError):
    """The same for a command line that cannot be understood."""

    exit_code = 2


class CommandGroup(click.Group):
    """A group whose commands are there, or named as ``module:attribute``."""

    def __init__(self, commands: Mapping[str, str | click.Command], **settings: Any) -> None:
        super().__init__(context_settings=CONTEXT, **settings)
        self._places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._places.get(cmd_name)
        if not isinstance(place, str):
            return place
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in ABSENT and args[0] not in self._places:
            raise ToldUsageError(f"there is no command {args[0]!r}: {ABSENT[args[0]]}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MetaflowHeraError as error:
            told = ToldUsageError if error.exit_code == ToldUsageError.exit_code else ToldError
            raise told(error.message) from error
