"""`mfhera spin`: one step as it is now, on the inputs of a past task."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli import collector
from metaflow_hera.cli.accepted import log_size_option
from metaflow_hera.cli.options import (
    datastore_option,
    flow_option,
    json_option,
    options,
    run_id_file_option,
    settings_of,
    with_option,
)
from metaflow_hera.cli.output import SIGNALLED, colored, print_json, tell, tell_timed, write_file
from metaflow_hera.cli.peer import program_of
from metaflow_hera.cli.resume import FixedParametersCommand
from metaflow_hera.cli.run import Lines
from metaflow_hera.deploy.local import Unheard
from metaflow_hera.deploy.spin import prepare_spin, read_artifacts
from metaflow_hera.deploy.spun import Spin, SpinChoices
from metaflow_hera.engine.local import LocalEnd
from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import SettingsError
from metaflow_hera.flow.parameters import READERS
from metaflow_hera.settings import from_environment

own_options = options(
    click.option("--skip-decorators", is_flag=True, help="Leave out all decorators of the step."),
    click.option(
        "--artifacts-module",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="A Python file whose dictionary ARTIFACTS stands in place of what the inputs have.",
    ),
    click.option(
        "--persist/--no-persist",
        default=None,
        help="Keep what the step leaves, below the data directory, for the Client's inspect_spin().",
    ),
    with_option,
    run_id_file_option,
    log_size_option,
)


@click.command(cls=FixedParametersCommand)
@click.argument("flow")
@click.argument("target", metavar="STEP | RUN/STEP[/TASK]")
@flow_option
@own_options
@datastore_option
@click.option("-q", "--quiet", is_flag=True, help="Do not show what the step prints.")
@json_option
def spin(flow: str, target: str, flow_name: str | None, datastore: str | None, **chosen: Any) -> None:
    """Run one step as it is now on the inputs of a past task, and leave all runs as they are.

    Without a run it is your latest, without a task the first of the step. Of our decorators only @card, @environment,
    @secrets and @timeout count. What is kept is seen after inspect_spin() in Python.

    \b
    Examples:
      mfhera spin flow.py train
      mfhera spin flow.py argo-parameterflow-x7k2p/train/3 --persist
    """
    settings = settings_of(datastore)
    quiet, as_json = chosen.pop("quiet"), chosen.pop("as_json")
    run_id_file, with_ = chosen.pop("run_id_file"), chosen.pop("with_")
    ready = prepare_spin(flow, target, _choices(**chosen), settings, name=flow_name, with_=with_)
    _spin(ready, run_id_file, quiet=quiet, as_json=as_json)


@click.command("spin", cls=FixedParametersCommand)
@click.argument("target", metavar="STEP | RUN/STEP[/TASK]")
@own_options
@click.pass_context
def spin_of_program(ctx: click.Context, /, target: str, **chosen: Any) -> None:
    """Run one step as it is now on the inputs of a past task, and leave all runs as they are."""
    program = program_of(ctx)
    run_id_file, with_ = chosen.pop("run_id_file"), (*chosen.pop("with_"), *program.with_)
    ready = prepare_spin(program.target, target, _choices(**chosen), program.load(), with_=with_)
    _spin(ready, run_id_file, quiet=program.is_quiet)


def _choices(*, skip_decorators: bool, artifacts_module: str | None, persist: bool | None) -> SpinChoices:
    return SpinChoices(
        skip_decorators=skip_decorators,
        persist=_persists() if persist is None else persist,
        artifacts=read_artifacts(artifacts_module) if artifacts_module else None,
    )


def _persists() -> bool:
    """What ``MFHERA_SPIN_PERSIST`` says."""
    variable, text = from_environment("SPIN_PERSIST") or ("", "false")
    try:
        return bool(READERS[bool](text))
    except ValueError as error:
        raise SettingsError(f"{variable} must be true or false, not {text!r}") from error


def _spin(ready: Spin, run_id_file: str | None, *, quiet: bool, as_json: bool = False) -> None:
    if run_id_file:
        write_file(run_id_file, ready.run_id)
    if not quiet:
        tell_timed(f"{ready.pathspec} begins on the inputs of {ready.task}")
    collector.resume()
    end = ready.until_its_end(Unheard() if quiet else Lines())
    _conclude(ready, end, as_json=as_json)


def _conclude(ready: Spin, end: LocalEnd, *, as_json: bool) -> None:
    tell_timed(f"{ready.pathspec} {colored(end.phase)}" + (f": {end.message}" if end.message else ""))
    if as_json:
        print_json({"task": ready.pathspec, "origin": ready.task, "phase": end.phase, "message": end.message})
    else:
        click.echo(ready.pathspec)
    if ready.choices.persist:
        tell(f"look at it in Python: inspect_spin(); Task({ready.pathspec!r})")
    if end.phase is not Phase.SUCCEEDED:
        click.get_current_context().exit(SIGNALLED + end.signal if end.signal else 1)
