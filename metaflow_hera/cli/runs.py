"""`mfhera runs` and `status`: runs that were and are."""

from __future__ import annotations

from itertools import islice

import click

from metaflow_hera.backends import NodeStatus, RunStatus
from metaflow_hera.cli.flow_help import shown_text
from metaflow_hera.cli.options import json_option, place_options, settings_of
from metaflow_hera.cli.output import colored, duration, moment, print_json, print_table, tell, tell_where
from metaflow_hera.deploy import runs as use_cases
from metaflow_hera.event_names import event_payloads
from metaflow_hera.flow.parameters import NONE
from metaflow_hera.naming import pathspec
from metaflow_hera.settings import DEFAULT, Settings

SHOWN = 3
"""Failed tasks whose logs are pointed to."""

SUSPENDED = " (suspended: nothing new starts)"


@click.command()
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@place_options
@json_option
def runs(name: str | None, limit: int, datastore: str | None, backend: str | None, as_json: bool) -> None:
    """List runs, the newest first: all, or those of a flow or a deployed name.

    \b
    Examples:
      mfhera runs
      mfhera runs ParameterFlow -n 5
    """
    settings = settings_of(datastore, backend)
    print_runs(use_cases.list_runs(name, settings, limit), settings, name, as_json=as_json)


def print_runs(found: list[RunStatus], settings: Settings, name: str | None, *, as_json: bool = False) -> None:
    if as_json:
        print_json([_facts(status) for status in found])
    elif found:
        rows = [
            (each.run, each.flow, each.phase, moment(each.created), duration(each.started, each.finished), each.message)
            for each in found
        ]
        print_table(("RUN", "FLOW", "STATUS", "CREATED", "TOOK", "MESSAGE"), rows)
    else:
        tell(f"there are no runs{f' of {name}' if name else ''} in {settings.datastore}")
        if settings.origins.get("datastore") == DEFAULT:  # so it is in the data directory
            tell_where(settings)


@click.command()
@click.argument("run")
@place_options
@json_option
def status(run: str, datastore: str | None, backend: str | None, as_json: bool) -> None:
    """Show how far a run has come, task by task.

    RUN is an id as `mfhera runs` shows it, or Flow/id; a step and a task may follow.

    \b
    Examples:
      mfhera status argo-parameterflow-x7k2p
      mfhera status argo-parameterflow-x7k2p/train/3
    """
    found = use_cases.status(run, settings_of(datastore, backend))
    if as_json:
        print_json(_facts(found) | {"tasks": [_task_facts(node) for node in found.nodes]})
        return
    suspended = SUSPENDED if found.is_suspended else ""
    click.echo(f"{click.style(found.run, bold=True)} of {found.flow}: {colored(found.phase)}{suspended}")
    if found.message:
        click.echo(f"  {found.message}")
    click.echo(f"  created {moment(found.created)}" + (f", ended {moment(found.finished)}" if found.finished else ""))
    _print_parameters(found)
    if found.nodes:
        print_table(("TASK", "STATUS", "ATTEMPTS", "TOOK", "MESSAGE"), [_task_row(node) for node in found.nodes])
    if found.phase.is_bad:
        for node in islice((node for node in found.nodes if node.phase.is_bad), SHOWN):
            click.echo(f"logs: mfhera logs {pathspec(found.flow, found.run, node.step, node.path)}")


def _print_parameters(status: RunStatus) -> None:
    """What the run was given; an event is told by its name, and may give a value that is none here."""
    payloads = event_payloads(status.parameters)
    if payloads:
        from metaflow_hera.deploy.started_by_events import event_name  # few runs are

        for payload in payloads.values():
            click.echo(f"  started by {event_name(payload)}")
    for name, value in status.parameters.items():
        if name not in payloads and not (payloads and value == NONE):
            click.echo(f"  --{name} {shown_text(value)}")


def _facts(status: RunStatus) -> dict[str, object]:
    return {
        "run": status.run,
        "flow": status.flow,
        "deployment": status.deployment,
        "phase": status.phase,
        "suspended": status.is_suspended,
        "message": status.message,
        "created": status.created,
        "started": status.started,
        "finished": status.finished,
        "parameters": dict(status.parameters),
    }


def _task_facts(node: NodeStatus) -> dict[str, object]:
    return {
        "step": node.step,
        "path": node.path,
        "phase": node.phase,
        "attempts": node.attempts,
        "message": node.message,
        "hint": node.hint,
        "started": node.started,
        "finished": node.finished,
    }


def _task_row(node: NodeStatus) -> tuple[str, ...]:
    took = duration(node.started, node.finished)
    told = "; ".join(filter(None, (node.message.partition("\n")[0], node.hint)))
    return f"{node.step}/{node.path}", node.phase, str(node.attempts or ""), took, told
