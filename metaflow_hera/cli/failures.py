"""Why a run did not succeed: its failed tasks, what each raised, and where its logs are."""

from __future__ import annotations

import click

from metaflow_hera.cli.output import tell
from metaflow_hera.deploy.recorded import FailedTask, failed_tasks
from metaflow_hera.settings import Settings

SHOWN = 10
LINES = 12


def print_failures(flow: str, run: str, message: str, settings: Settings) -> None:
    failed = failed_tasks(flow, run, settings)
    for task in failed[:SHOWN]:
        _print(task)
    if len(failed) > SHOWN:
        tell(f"… and {len(failed) - SHOWN} more: mfhera status {flow}/{run}")
    if not failed and message:
        tell(message)


def _print(task: FailedTask) -> None:
    attempts = f" in {task.attempts} attempts" if task.attempts > 1 else ""
    tell(click.style(f"{task.pathspec} failed{attempts}", fg="red", bold=True))
    if task.failure:
        lines = task.failure.traceback.rstrip().splitlines() or [f"{task.failure.type}: {task.failure.text}"]
        hidden = len(lines) - LINES
        for line in [f"… {hidden} lines", *lines[-LINES:]] if hidden > 0 else lines:
            tell(f"    {line}")
    tell(f"    logs: mfhera logs {task.pathspec}")
