"""A run of a backend that its user stays with: progress and what tasks print, and its exit code in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from metaflow_hera.backends import Phase
from metaflow_hera.cli.follow import follow, interruptible
from metaflow_hera.cli.output import print_json, tell, write_file
from metaflow_hera.cli.run import Shown
from metaflow_hera.default_settings import DEPLOYED_WORKERS
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.one_off import submit_checked
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.errors import UsageError
from metaflow_hera.settings import Settings


def run_there(
    checked: CheckedFlow,
    parameters: Mapping[str, str],
    settings: Settings,
    shown: Shown,
    *,
    run_id_file: str | None,
    triggers: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Run a flow once on the backend of the settings, show how it goes, and end with the run's exit code."""
    run = submit_checked(checked, parameters, choices_there(**chosen), settings, tell, triggers=triggers)
    attend(run, shown, run_id_file)


def choices_there(*, tags: tuple[str, ...], max_num_splits: int | None, max_workers: int) -> Choices:
    if max_num_splits is not None:
        raise UsageError("--max-num-splits is for runs on this machine; leave it out")
    return Choices(max_workers=given_workers(max_workers) or DEPLOYED_WORKERS, tags=tags)


def given_workers(max_workers: int) -> int | None:
    """What the user said; the default of the option is that of this machine."""
    source = click.get_current_context().get_parameter_source("max_workers")
    return max_workers if source is ParameterSource.COMMANDLINE else None


def attend(run: TriggeredRun, shown: Shown, run_id_file: str | None, note: str = "") -> None:
    """Stay with a run up to its end, and end with its exit code; *note* says what is special about it."""
    if run_id_file:
        write_file(run_id_file, run.run_id)
    if not shown.quiet:
        tell(f"{run.pathspec} is submitted to the {run.backend.name} backend{note}")
    with interruptible(run.flow, run.run_id, lambda: run.backend.terminate(run.run_id)):
        phase = follow(run, with_logs=not shown.quiet)
    if shown.as_json:
        message = "" if phase is Phase.SUCCEEDED else run.details.message
        print_json({"run": run.run_id, "flow": run.flow, "phase": phase, "message": message})
    else:
        click.echo(run.pathspec)
    if phase is not Phase.SUCCEEDED:
        tell(f"go on where it ended, in a new run: mfhera resume {run.run_id} --backend {run.backend.name}")
        click.get_current_context().exit(1)
