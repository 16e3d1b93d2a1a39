"""`mfhera run`: a flow, now, on this machine or once on a backend."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from metaflow_hera.cli import collector
from metaflow_hera.cli.launching import launch_options, taken_launch, trigger_option
from metaflow_hera.cli.options import (
    backend_of_run_option,
    datastore_option,
    flow_option,
    json_option,
    options,
    run_id_file_option,
    settings_of,
    splits_option,
    tag_option,
    with_option,
    workers_option,
)
from metaflow_hera.cli.output import SIGNALLED, colored, print_json, tell, tell_timed, write_file
from metaflow_hera.cli.parameters import FlowCommand, Words, found_flow, launched_parameters
from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.local import LocalChoices, LocalRun, Unheard, prepare_run
from metaflow_hera.deploy.source import CheckedFlow, check_flow
from metaflow_hera.engine.local import LocalEnd
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.settings import Settings


def _parameters(words: Words) -> Sequence[Parameter]:
    if words.target is None:
        return ()
    return launched_parameters(words.target, words)


@click.command(cls=FlowCommand, find=_parameters)
@click.argument("flow")
@options(flow_option, with_option, workers_option, splits_option, tag_option, run_id_file_option, datastore_option)
@options(launch_options, trigger_option, backend_of_run_option)
@click.option("-q", "--quiet", is_flag=True, help="Do not show what tasks print.")
@json_option
def run(
    flow: str,
    flow_name: str | None,
    with_: tuple[str, ...],
    parameters: Mapping[str, str],
    datastore: str | None,
    backend: str | None,
    **chosen: Any,
) -> None:
    """Run a flow, its tasks in processes of this machine or once on a backend; print the run's path.

    The flow's parameters are options: see `mfhera run FLOW --help`. What is deployed stays as it is.

    \b
    Examples:
      mfhera run flow.py --alpha 0.5
      mfhera run flow.py:ParameterFlow --with retry --max-workers 4
      mfhera run flow.py --backend kubernetes
    """
    words = f" --flow {flow_name}" if flow_name else ""
    shown = Shown(again=f"mfhera resume {flow}{words}", quiet=chosen.pop("quiet"), as_json=chosen.pop("as_json"))
    checked = check_flow(found_flow(flow), name=flow_name, with_=with_, launch=taken_launch(chosen))
    if backend is None:
        run_checked(checked, parameters, settings_of(datastore), shown, **chosen)
    else:
        from metaflow_hera.cli.attended import run_there  # a run on this machine needs no backend

        run_there(checked, parameters, settings_of(datastore, backend), shown, **chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the user is shown of a run."""

    again: str
    """The command that goes on with the latest run on this machine."""
    quiet: bool = False
    as_json: bool = False


def run_checked(
    checked: CheckedFlow,
    parameters: Mapping[str, str],
    settings: Settings,
    shown: Shown,
    *,
    run_id_file: str | None,
    **chosen: Any,
) -> None:
    """Run, show how it goes, and end with the run's exit code."""
    if not shown.quiet and any(step.decorator("kubernetes") for step in checked.graph):
        tell("@kubernetes is for runs in a cluster: here, steps are processes of this machine; see --backend")
    run_ready(prepare_run(checked, parameters, choices_of(**chosen), settings), shown, run_id_file)


def choices_of(
    *, max_workers: int, max_num_splits: int | None, tags: tuple[str, ...], triggers: tuple[str, ...] = ()
) -> LocalChoices:
    return LocalChoices(max_workers=max_workers, max_splits=max_num_splits, tags=tags, triggers=triggers)


def run_ready(ready: LocalRun, shown: Shown, run_id_file: str | None, note: str = "") -> None:
    """The same for a run that is prepared; *note* says in the first line what is special about it."""
    if run_id_file:
        write_file(run_id_file, ready.run_id)
    if not shown.quiet:
        tell_timed(f"{ready.pathspec} begins{note}")
    collector.resume()
    end = ready.with_exit_hooks(Unheard() if shown.quiet else Lines(), tell)
    _conclude(ready, end, shown)


def _conclude(ready: LocalRun, end: LocalEnd, shown: Shown) -> None:
    tell_timed(f"{ready.pathspec} {colored(end.phase)}" + (f": {end.message}" if end.message else ""))
    if shown.as_json:
        facts = {"run": ready.run_id, "flow": ready.flow.name, "phase": end.phase, "message": end.message}
        print_json(facts)
    else:
        click.echo(ready.pathspec)
    if end.phase is not Phase.SUCCEEDED:
        from metaflow_hera.cli.failures import print_failures  # for runs that fail only

        print_failures(ready.flow.name, ready.run_id, "", ready.settings, tracebacks=shown.quiet)
        tell(f"go on where it ended, in a new run: {shown.again} --origin-run-id {ready.run_id}")
        click.get_current_context().exit(SIGNALLED + end.signal if end.signal else 1)


PROGRESS_SECONDS = 5.0
"""Between two lines about how far a run has come."""


class Lines:
    """A line for each that a task prints, for each attempt that fails, and now and then one about the whole run."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._ended = 0
        self._told = time.monotonic()

    def started(self, pod: Pod, command: TaskCommand) -> None:
        self._running[command.step] = self._running.get(command.step, 0) + 1

    def printed(self, command: TaskCommand, stream: str, line: str) -> None:
        tell_timed(f"{_place(command)} {line}")

    def ended(self, command: TaskCommand, outcome: PodOutcome, *, again: bool) -> None:
        if outcome.phase is not Phase.SUCCEEDED:
            told = "; it is tried again" if again else ""
            tell_timed(f"{_place(command)} {click.style('failed', fg='red')}: {outcome.message}{told}")
        self._running[command.step] -= 1
        self._ended += not again
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            running = ", ".join(f"{count} of {step}" for step, count in self._running.items() if count)
            tell_timed(f"{self._ended} tasks have ended" + (f"; running: {running}" if running else ""))


def _place(command: TaskCommand) -> str:
    return click.style(f"[{command.step}/{command.path}]", fg="cyan")
