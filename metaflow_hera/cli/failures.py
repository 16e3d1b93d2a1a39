"""Why a run did not succeed: its failed tasks, what each raised, and where its logs are."""

from __future__ import annotations

import click

from metaflow_hera.cli.output import tell
from metaflow_hera.deploy.recorded import OURS, FailedTask, failed_tasks
from metaflow_hera.settings import Settings

SHOWN = 10
LINES = 12


def print_failures(flow: str, run: str, message: str, settings: Settings, *, tracebacks: bool = True) -> None:
    """The failed tasks; *message* says why the run failed if no task did."""
    failed = failed_tasks(flow, run, settings)
    for task in failed[:SHOWN]:
        attempts = f" in {task.attempts} attempts" if task.attempts > 1 else ""
        tell(click.style(f"{task.pathspec} failed{attempts}", fg="red", bold=True))
        for line in _told(task, tracebacks=tracebacks):
            tell(f"    {line}")
        tell(f"    logs: mfhera logs {task.pathspec}")
    if len(failed) > SHOWN:
        tell(f"… and {len(failed) - SHOWN} more: mfhera status {flow}/{run}")
    if not failed and message:
        tell(message)


def _told(task: FailedTask, *, tracebacks: bool) -> list[str]:
    """What a task raised: the end of its traceback if the user's code raised it, else the message alone."""
    if task.failure is None:
        return []
    if task.failure.type.startswith(OURS):
        return task.failure.text.splitlines()
    if not tracebacks:
        return f"{task.failure.type}: {task.failure.text}".splitlines()[:LINES]
    lines = task.failure.traceback.rstrip().splitlines()
    return lines if len(lines) <= LINES else [f"… {len(lines) - LINES} lines", *lines[-LINES:]]
