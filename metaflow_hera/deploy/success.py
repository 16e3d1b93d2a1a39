"""What Python code that waited for a run gets: the run if it succeeded, else an error that says why it did not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from metaflow_hera.client import Run
from metaflow_hera.deploy.recorded import FailedTask, failed_tasks
from metaflow_hera.errors import RunFailedError
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

SHOWN = 3


def ended(path: str, store: Store, settings: Settings, *, check: bool) -> Run:
    """A run of this machine that has ended, in whatever namespace; without *check* however it ended."""
    run = Run(path, store=store, namespace_check=False)
    return succeeded(run, settings) if check else run


def succeeded(run: Run, settings: Settings) -> Run:
    """The run itself, which has ended; `RunFailedError`, with the run as its `run`, if it did not succeed."""
    if run.successful:
        return run
    raise RunFailedError("\n".join(_told(run, settings)), run)


def _told(run: Run, settings: Settings) -> Iterator[str]:
    failed = failed_tasks(run.parent.id, run.id, settings)
    told = run.exception
    yield f"run {run.pathspec}: {run.status}" + (f": {told.text}" if told and not failed else "")
    for task in islice(failed, SHOWN):
        yield f"{task.pathspec} failed{_attempts(task)}: {task.reason}"
        yield f"    its logs: Task({task.pathspec!r}).stderr, or in a shell: mfhera logs {task.pathspec}"
    if len(failed) > SHOWN:
        yield f"and {len(failed) - SHOWN} more: Run({run.pathspec!r}).failed_tasks"


def _attempts(task: FailedTask) -> str:
    return f" in {task.attempts} attempts" if task.attempts > 1 else ""
