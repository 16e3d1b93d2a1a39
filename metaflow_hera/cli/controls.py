"""`mfhera terminate`, `stop`, `suspend`, `unsuspend` and `retry`: runs that should not go on, or should again."""

from __future__ import annotations

from collections.abc import Callable

import click

from metaflow_hera.backends import Action, RunStatus
from metaflow_hera.cli.options import json_option, options, place_options, settings_of
from metaflow_hera.cli.output import print_json
from metaflow_hera.cli.tokens import authorize_option
from metaflow_hera.deploy.controls import changes, control
from metaflow_hera.deploy.rights import Rights

HELP = {
    Action.TERMINATE: """End a run of a deployment now.

    Its tasks get a moment to write down how far they came; its exit hooks do not run.""",
    Action.STOP: """End a run of a deployment, and let its exit hooks run.

    Its tasks get a moment to write down how far they came.""",
    Action.SUSPEND: """Let the tasks of a run end that are at it, and start no others until `mfhera unsuspend`.""",
    Action.UNSUSPEND: """Let a suspended run go on.""",
    Action.RETRY: """Let a run that failed go on: what did not succeed runs again, in the version it began with.

    `mfhera resume` starts another run instead, which can have other code.""",
}

DONE = {
    Action.TERMINATE: "terminated",
    Action.STOP: "stopped",
    Action.SUSPEND: "suspended",
    Action.UNSUSPEND: "unsuspended",
    Action.RETRY: "retried",
}

_TOLD = {
    Action.TERMINATE: "{run} is terminated",
    Action.STOP: "{run} is stopped",
    Action.SUSPEND: "{run} is suspended: what runs ends, nothing new starts; let it go on with: mfhera unsuspend {run}",
    Action.UNSUSPEND: "{run} goes on",
    Action.RETRY: "{run} goes on with what did not succeed; follow it with: mfhera logs {run} --follow",
}


def _command(action: Action) -> click.Command:
    def command(run: str, authorize: str | None, datastore: str | None, backend: str | None, as_json: bool) -> None:
        rights = Rights(settings=settings_of(datastore, backend), given=authorize)
        print_controlled(action, control(action, run, rights), as_json=as_json)

    example = f"\n\n    \b\n    Example:\n      mfhera {action} argo-parameterflow-x7k2p\n    "
    decorate: Callable[[Callable[..., None]], Callable[..., None]] = options(
        click.argument("run"), authorize_option, place_options, json_option
    )
    return click.command(action.value, help=HELP[action] + example)(decorate(command))


def print_controlled(action: Action, before: RunStatus, *, as_json: bool = False) -> None:
    is_done = changes(action, before)
    if as_json:
        print_json({"run": before.run, DONE[action]: is_done, "before": before.phase})
    elif is_done:
        click.echo(_TOLD[action].format(run=before.run))
    else:
        click.echo(_in_vain(action, before))


def _in_vain(action: Action, before: RunStatus) -> str:
    if action is Action.RETRY:
        return f"{before.run} has not ended: {before.phase}"
    if before.phase.is_final:
        return f"{before.run} had ended already: {before.phase}"
    return f"{before.run} {'was' if action is Action.SUSPEND else 'is not'} suspended"


terminate, stop, suspend, unsuspend, retry = map(_command, Action)
