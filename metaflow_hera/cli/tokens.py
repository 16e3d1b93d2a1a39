"""`mfhera token`, and the options by which other commands are given a production token.

What stands in a command line can be read by everybody on the machine, so tokens are better given as a file or by
standard input, or in MFHERA_PRODUCTION_TOKEN.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from metaflow_hera.cli.options import json_option, options
from metaflow_hera.cli.output import print_json
from metaflow_hera.cli.targets import found, target_argument, target_options
from metaflow_hera.deploy.rights import Lock, Rights
from metaflow_hera.deploy.tokens import TokenChoices, TokenFile
from metaflow_hera.errors import ProductionTokenError, UsageError

LONGEST_FILE = 10_000
"""Characters: more is no file with a token."""


def _token(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The token itself, ``-`` for standard input, ``@FILE`` for a file that holds nothing else."""
    if value is None:
        return None
    name = option.opts[0]
    if value == "-":
        if ctx.meta.setdefault("token from standard input", name) != name:
            raise click.UsageError(f"{name} -: standard input holds one token; give the other one as @FILE", ctx)
        token = sys.stdin.read(LONGEST_FILE).strip()
    elif value.startswith("@"):
        token = _content(name, Path(value[1:])).strip()
    else:
        token = value.strip()
    if not token:
        raise UsageError(f"{name}: there is no token in {'standard input' if value == '-' else value or 'it'}")
    return token


def _content(name: str, file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(LONGEST_FILE)
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: {str(file)!r} cannot be read: {error}") from error


authorize_option = click.option(
    "--authorize",
    metavar="@FILE|-|TOKEN",
    callback=_token,
    help="The production token of a deployment of somebody else's: in a file, on standard input, or itself. Whoever "
    "deploys with it is the owner from then on, so it is kept for them.",
)
token_options = options(
    authorize_option,
    click.option(
        "--generate-new-token",
        is_flag=True,
        help="Make a new production token, and so a new namespace for the runs to come.",
    ),
    click.option(
        "--new-token", metavar="@FILE|-|TOKEN", callback=_token, help="The same with a token of your own choice."
    ),
)
namespace_option = click.option(
    "--namespace", metavar="TAG", help="What steps see of other runs: those with this tag, not the deployment's own."
)


def taken_tokens(chosen: Mapping[str, Any]) -> TokenChoices:
    """What the options say."""
    return TokenChoices(authorize=chosen["authorize"], generate=chosen["generate_new_token"], new=chosen["new_token"])


@click.command()
@target_argument
@click.option("--keep", metavar="@FILE|-|TOKEN", callback=_token, help="Keep this token, which somebody gave you.")
@target_options
@json_option
def token(target: str, keep: str | None, as_json: bool, **chosen: Any) -> None:
    """Print the production token of a deployment, if it is yours.

    Whoever has it may deploy, delete and stop in its name: hand it on as you would a password.

    \b
    Examples:
      mfhera token parameterflow
      mfhera token flow.py --production
      mfhera token parameterflow --keep @token-from-ann.txt
    """
    deployed = found(target, chosen)
    name, settings, lock = deployed.name, deployed.settings, Lock.of(deployed.plan)
    known = Rights(settings=settings, given=keep).token_of(lock)
    if known is None:
        raise ProductionTokenError(_missing(name, lock, is_given=keep is not None))
    if keep is not None:
        file = TokenFile.of(settings, lock.place, lock.namespace)
        file.write(known)
        click.echo(f"the production token of {name} is kept in {file.path}", err=True)
        return
    if as_json:
        print_json({"name": name, "namespace": lock.namespace, "token": known})
    else:
        click.echo(known)


def _missing(name: str, lock: Lock, *, is_given: bool) -> str:
    if not lock.digest:
        return f"{name} has no production token; it gets one when {lock.owner or 'somebody'} deploys it"
    if is_given:
        return f"what was given is not the production token of {name}"
    return (
        f"the production token of {name} is not kept here: {lock.owner or 'whoever deployed it'} has it; the owner can "
        "make another one with --generate-new-token"
    )
