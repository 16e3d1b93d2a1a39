"""``python flow.py …``: the command line of one flow, in the peer's grammar."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from metaflow_hera.cli.accepted import run_options, top_options
from metaflow_hera.cli.flow_help import describe_configs, describe_parameters, required_words
from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.launching import launch_options, taken_launch, trigger_option
from metaflow_hera.cli.options import (
    backend_of_run_option,
    options,
    run_id_file_option,
    splits_option,
    suffixes_option,
    tag_option,
    with_option,
    workers_option,
)
from metaflow_hera.cli.parameters import FlowCommand, Words, found_flow, launched_parameters
from metaflow_hera.cli.show import print_checked, print_shown
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.source import CheckedFlow, check_flow
from metaflow_hera.deploy.starting import check_beginnings
from metaflow_hera.errors import MetaflowHeraError, UsageError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.flow.source import file_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.settings import Settings, peer_datastore

ELSEWHERE = ("azure", "gs", "spin")
"""Kinds of datastores that the peer has besides ours."""

COMMANDS = {
    "resume": "metaflow_hera.cli.resume:resume_of_program",
    "spin": "metaflow_hera.cli.spin:spin_of_program",
    "logs": "metaflow_hera.cli.logs_of_program:logs",
    "dump": "metaflow_hera.cli.dump:dump_of_program",
    "tag": "metaflow_hera.cli.tag_of_program:tag",
    "card": "metaflow_hera.cli.card:card_of_program",
    "package": "metaflow_hera.cli.package:package_of_program",
    "output-dot": "metaflow_hera.cli.describing:output_dot",
    "output-raw": "metaflow_hera.cli.describing:output_raw",
    "version": "metaflow_hera.cli.describing:version",
    "help": "metaflow_hera.cli.describing:help_command",
    "argo-workflows": "metaflow_hera.cli.argo_workflows:argo_workflows",
}


@dataclass(frozen=True, kw_only=True)
class Program:
    """The flow's file and what was said before the command."""

    target: str
    with_: tuple[str, ...] = ()
    is_quiet: bool = False
    settings: Mapping[str, str | None] = field(default_factory=dict)
    launch: LaunchOptions = field(default_factory=LaunchOptions)
    triggers: tuple[str, ...] = ()

    def load(self, backend: str | None = None) -> Settings:
        return Settings.load({**self.settings, "backend": backend})

    def check(self, with_: Sequence[str] = ()) -> CheckedFlow:
        """What is given with the command comes before what is given in front of it."""
        return check_flow(found_flow(self.target), with_=(*with_, *self.with_), launch=self.launch)

    def of_flow(self, path: str) -> str:
        """A path of a run of this flow, with or without the flow's name in front."""
        return path if path.startswith(f"{self.flow_name}/") else f"{self.flow_name}/{path}"

    @property
    def flow_name(self) -> str:
        return load_flow(self.target).__name__

    def tell(self, text: str) -> None:
        if not self.is_quiet:
            click.echo(text, err=True)


def class_main(flow_class: type[FlowSpec], arguments: Sequence[str]) -> None:
    """Of a flow class that was called in its own file.

    The file is loaded again, as the module of its name: what its steps pickle must be found by other processes.
    """
    file = file_of(flow_class)
    assert file is not None, "only a class in a script calls its command line"
    file_main(f"{file}:{flow_class.__name__}", arguments, f"python {Path(sys.argv[0]).name}")


def file_main(target: str, arguments: Sequence[str], program: str) -> None:
    """Of a flow's file, or ``file.py:Name``."""
    flow_group.main(args=list(arguments), prog_name=program, obj=Program(target=target))


def program_of(ctx: click.Context) -> Program:
    program = ctx.find_object(Program)
    assert program is not None, "every command line of a flow begins with one"
    return program


def _parameters(words: Words) -> Sequence[Parameter]:
    program = program_of(click.get_current_context())
    return launched_parameters(program.target, words, program.launch)


@click.command()
@click.option("--warnings/--no-warnings", hidden=True, expose_value=False, help="Whatever is wrong is told.")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check the flow."""
    checked = program_of(ctx).check()
    check_beginnings(checked)
    print_checked(checked)


@click.command()
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Write the picture to this file.")
@click.pass_context
def show(ctx: click.Context, svg: str | None) -> None:
    """Show the graph of the flow."""
    print_shown(program_of(ctx).check(), svg)


@click.command(cls=FlowCommand, find=_parameters)
@options(with_option, tag_option, run_id_file_option, workers_option, splits_option, run_options, backend_of_run_option)
@click.pass_context
def run(
    ctx: click.Context,
    /,
    with_: tuple[str, ...],
    parameters: Mapping[str, str],
    backend: str | None,
    **chosen: Any,
) -> None:
    """Run the flow on this machine, or once on a backend."""
    from metaflow_hera.cli.run import Shown, run_checked  # the engine, for this command only

    program = program_of(ctx)
    shown = Shown(again=f"{ctx.find_root().info_name} resume", quiet=program.is_quiet)
    checked, settings = program.check(with_), program.load(backend)
    if backend is None:
        run_checked(checked, parameters, settings, shown, triggers=program.triggers, **chosen)
    else:
        from metaflow_hera.cli.attended import run_there  # a run on this machine needs no backend

        run_there(checked, parameters, settings, shown, triggers=program.triggers, **chosen)


def _settings(datastore: str | None, datastore_root: str | None, package_suffixes: str | None) -> dict[str, str | None]:
    if datastore in ELSEWHERE:
        raise UsageError(f"--datastore {datastore}: only directories and S3 are there; write local, s3, or a place")
    if datastore in ("s3", "local"):
        datastore = datastore_root or peer_datastore(datastore)
        if datastore is None:
            raise UsageError(
                "--datastore s3 does not say where: add --datastore-root s3://BUCKET/PREFIX, or set MFHERA_DATASTORE "
                "or METAFLOW_DATASTORE_SYSROOT_S3"
            )
    return {"datastore": datastore_root or datastore, "package_suffixes": package_suffixes}


class FlowGroup(CommandGroup):
    """The commands of a flow; their help lists its parameters and configs, too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with suppress(MetaflowHeraError):  # the commands tell what is wrong with the file
            flow_class = load_flow(program_of(ctx).target)
            describe_parameters(flow_class, formatter)
            describe_configs(flow_class, formatter)


@click.group(
    cls=FlowGroup,
    commands={"check": check, "show": show, "run": run, **COMMANDS},
    invoke_without_command=True,
)
@options(with_option, suffixes_option, launch_options, trigger_option)
@click.option("--quiet/--not-quiet", help="Say nothing but results.")
@click.option("--datastore", metavar="PLACE", help="s3, local, a directory or s3://bucket/prefix.")
@click.option(
    "--datastore-root", metavar="PLACE", help="The directory or s3://bucket/prefix of --datastore s3 or local."
)
@top_options
@click.pass_context
def flow_group(ctx: click.Context, /, with_: tuple[str, ...], quiet: bool, **given: Any) -> None:
    """Check, show, run or deploy this flow.

    \b
    Examples:
      python flow.py run --alpha 0.5
      python flow.py --with retry argo-workflows create
      python flow.py argo-workflows trigger --alpha 0.5
    """
    settings = _settings(given["datastore"], given["datastore_root"], given["package_suffixes"])
    before = program_of(ctx)
    launch, triggers = taken_launch(given), given["triggers"]
    ctx.obj = Program(
        target=before.target, with_=with_, is_quiet=quiet, settings=settings, launch=launch, triggers=triggers
    )
    if ctx.invoked_subcommand is None:
        checked = ctx.obj.check()
        print_checked(checked)
        if not quiet:
            words = required_words(checked.parameters)
            click.echo(f"run it with: {ctx.info_name} run{words}; all commands: {ctx.info_name} --help", err=True)
