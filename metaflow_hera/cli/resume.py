"""`mfhera resume`: go on where a run failed, in a new run on this machine or on a backend."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.accepted import run_options
from metaflow_hera.cli.group import is_file
from metaflow_hera.cli.launching import branch_options, taken_launch
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
from metaflow_hera.cli.output import tell
from metaflow_hera.cli.peer import program_of
from metaflow_hera.cli.run import Shown, choices_of, run_ready
from metaflow_hera.deploy.resume import check_resumed, prepare_resume
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.naming import pathspec, workflow_of_run
from metaflow_hera.records.run import RunRecord
from metaflow_hera.records.runs import SUCCEEDED, read_end
from metaflow_hera.settings import BACKENDS, Settings


class FixedParametersCommand(click.Command):
    """A command that says why a flow's parameters are none of its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            told = f"No such option {error.option_name!r}; parameters and configs are those of the run before"
            raise click.UsageError(told, ctx) from error


origin_option = click.option(
    "--origin-run-id", metavar="RUN", help="The run to resume, also one of a deployment; else your latest of this flow."
)
own_options = options(origin_option, with_option, workers_option, splits_option, tag_option, run_id_file_option)
backend_of_resume_option = click.option(
    "--backend", type=click.Choice(BACKENDS), help="Of a flow: go on there. Of a run: where it ran, if not as is set."
)


@click.command(cls=FixedParametersCommand)
@click.argument("target", metavar="FLOW_OR_RUN")
@click.argument("step", required=False)
@flow_option
@own_options
@options(datastore_option, backend_of_resume_option)
@branch_options
@click.option("-q", "--quiet", is_flag=True, help="Do not show what tasks print.")
@json_option
def resume(target: str, step: str | None, datastore: str | None, backend: str | None, **chosen: Any) -> None:
    """Go on where a run failed, in a new run; print its path.

    What succeeded is taken over, and not run again; with STEP, that step and all that follows are. Parameters are those
    of the run that is resumed.

    With a flow's file the new run has its source as it is now, on this machine or, with --backend, there. With the id
    of a run of a backend it has the code of that run, and goes on where that ran.

    \b
    Examples:
      mfhera resume flow.py
      mfhera resume flow.py train --origin-run-id argo-parameterflow-x7k2p
      mfhera resume argo-parameterflow-x7k2p
      mfhera resume flow.py --origin-run-id argo-parameterflow-x7k2p --backend kubernetes
    """
    flow_name, with_ = chosen.pop("flow_name"), chosen.pop("with_")
    words = f" --flow {flow_name}" if flow_name else ""
    shown = Shown(again=f"mfhera resume {target}{words}", quiet=chosen.pop("quiet"), as_json=chosen.pop("as_json"))
    settings = settings_of(datastore, backend)
    launch = taken_launch(chosen)
    if _is_run(target):
        from metaflow_hera.cli.resume_there import resume_run  # a run on this machine needs no backend

        of_source = {"--flow": flow_name, "--with": with_, "--branch": launch.branch, "--production": launch.production}
        resume_run(target, step, settings, shown, of_source, **chosen)
        return
    found = check_resumed(target, chosen.pop("origin_run_id"), settings, name=flow_name, with_=with_, launch=launch)
    _resume(found, step, backend, settings, shown, **chosen)


def _is_run(target: str) -> bool:
    """Whether a word is a run of a backend, ``[Flow/]argo-…``, and no file."""
    return workflow_of_run(target.rpartition("/")[2]) is not None and not is_file(target.rpartition("/")[2])


@click.command("resume", cls=FixedParametersCommand)
@click.argument("step", required=False)
@options(own_options, run_options, backend_of_run_option)
@click.pass_context
def resume_of_program(
    ctx: click.Context, /, step: str | None, with_: tuple[str, ...], backend: str | None, **chosen: Any
) -> None:
    """Go on where a run failed, in a new run on this machine or on a backend.

    What succeeded is taken over, and not run again; with STEP, that step and all that follows are.
    """
    program = program_of(ctx)
    shown = Shown(again=f"{ctx.find_root().info_name} resume", quiet=program.is_quiet)
    settings = program.load(backend)
    origin, decorators = chosen.pop("origin_run_id"), (*with_, *program.with_)
    found = check_resumed(program.target, origin, settings, with_=decorators, launch=program.launch)
    _resume(found, step, backend, settings, shown, **chosen)


def _resume(
    found: tuple[CheckedFlow, RunRecord],
    step: str | None,
    backend: str | None,
    settings: Settings,
    shown: Shown,
    **chosen: Any,
) -> None:
    if backend is None:
        _resume_here(found, step, settings, shown, **chosen)
    else:
        from metaflow_hera.cli.resume_there import resume_flow  # a run on this machine needs no backend

        resume_flow(found, step, settings, shown, **chosen)


def _resume_here(
    found: tuple[CheckedFlow, RunRecord],
    step: str | None,
    settings: Settings,
    shown: Shown,
    *,
    run_id_file: str | None,
    **chosen: Any,
) -> None:
    checked, origin = found
    ready = prepare_resume(checked, origin, choices_of(**chosen), settings, step)
    if step is None and (end := read_end(ready.store, origin.flow, origin.run)) and end.status == SUCCEEDED:
        tell(f"{origin.run} succeeded, so all of it is taken over; name a step to run it and what follows again")
    run_ready(ready, shown, run_id_file, resuming(origin.flow, origin.run, step))


def resuming(flow: str, run: str, step: str | None) -> str:
    """What is special about a run that resumes another."""
    again = f" from step {step}" if step else ""
    return f", resuming {pathspec(flow, run)}{again}"
