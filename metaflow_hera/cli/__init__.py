"""The command line: parses, calls one function of `deploy`, prints; results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from metaflow_hera import __version__, compat
from metaflow_hera.cli import collector
from metaflow_hera.cli.group import CommandGroup, is_file
from metaflow_hera.flow.spec import FlowSpec

__all__ = ["flow_main", "main", "module_main"]

COMMANDS = {
    "run": "metaflow_hera.cli.run:run",
    "resume": "metaflow_hera.cli.resume:resume",
    "spin": "metaflow_hera.cli.spin:spin",
    "check": "metaflow_hera.cli.show:check",
    "show": "metaflow_hera.cli.show:show",
    "compile": "metaflow_hera.cli.compile:compile_command",
    "deploy": "metaflow_hera.cli.deploy:deploy",
    "trigger": "metaflow_hera.cli.trigger:trigger",
    "list": "metaflow_hera.cli.deployments:list_command",
    "delete": "metaflow_hera.cli.deployments:delete",
    "rollback": "metaflow_hera.cli.deployments:rollback",
    "runs": "metaflow_hera.cli.runs:runs",
    "status": "metaflow_hera.cli.runs:status",
    "logs": "metaflow_hera.cli.logs:logs",
    "dump": "metaflow_hera.cli.dump:dump",
    "tag": "metaflow_hera.cli.tag:tag",
    "package": "metaflow_hera.cli.package:package",
    "card": "metaflow_hera.cli.card:card",
    "suspend": "metaflow_hera.cli.controls:suspend",
    "unsuspend": "metaflow_hera.cli.controls:unsuspend",
    "stop": "metaflow_hera.cli.controls:stop",
    "terminate": "metaflow_hera.cli.controls:terminate",
    "retry": "metaflow_hera.cli.controls:retry",
    "event": "metaflow_hera.cli.event:event",
    "engine": "metaflow_hera.cli.engine:engine",
    "token": "metaflow_hera.cli.tokens:token",
    "rbac": "metaflow_hera.cli.rbac:rbac",
    "iam-policy": "metaflow_hera.cli.rbac:iam_policy",
    "config": "metaflow_hera.cli.config:config",
}

HELP = """Flows in Python, run here or deployed to Argo Workflows.

\b
  mfhera run flow.py --alpha 0.5          run on this machine, now
  mfhera deploy flow.py --with retry      make it the newest version of its deployment
  mfhera trigger flow.py --alpha 0.5      start a run of what is deployed
  mfhera logs argo-parameterflow-x7k2p    read what its tasks printed
"""

mfhera = CommandGroup(commands=COMMANDS, name="mfhera", help=HELP)
click.version_option(__version__, prog_name="mfhera", message="%(prog)s %(version)s")(mfhera)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``mfhera``."""
    collector.pause()
    compat.install()
    mfhera.main(args=None if arguments is None else list(arguments), prog_name="mfhera")


def module_main() -> None:
    """``python -m metaflow_hera``: the commands of ``mfhera``, or a flow's file with the peer's grammar after it."""
    collector.pause()
    compat.install()
    arguments = sys.argv[1:]
    if arguments and is_file(arguments[0]):
        from metaflow_hera.cli.peer import file_main  # the peer's grammar, when it is used

        file_main(arguments[0], arguments[1:], "python -m metaflow_hera")
    mfhera.main(args=arguments, prog_name="python -m metaflow_hera")


def flow_main(flow_class: type[FlowSpec]) -> None:
    """``python flow.py …``: the command line of a flow, in the peer's grammar."""
    from metaflow_hera.cli.peer import class_main  # the peer's grammar, when it is used

    collector.pause()
    compat.install()
    class_main(flow_class, sys.argv[1:])
