"""`mfhera package`: what a flow's tasks get of its code."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.options import flow_option, json_option, options, settings_of, suffixes_option
from metaflow_hera.cli.output import print_json, tell
from metaflow_hera.cli.peer import program_of
from metaflow_hera.deploy.compilation import package_flow
from metaflow_hera.deploy.packaging import save_package
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.package import CodePackage

flow_argument = click.argument("flow")
file_argument = click.argument("file", type=click.Path(dir_okay=False))
all_options = options(flow_argument, flow_option, suffixes_option)
timeout_option = click.option("--timeout", hidden=True, help="A package is made at once.")


@click.command()
@options(all_options, json_option)
def info(flow: str, flow_name: str | None, package_suffixes: str | None, as_json: bool) -> None:
    """Print how many files there are, how large they are, and what names the package."""
    package = package_flow(check_flow(flow, name=flow_name), settings_of(package_suffixes=package_suffixes))
    print_info(package, as_json=as_json)


@click.command("list")
@options(all_options, json_option)
def list_command(flow: str, flow_name: str | None, package_suffixes: str | None, as_json: bool) -> None:
    """Print the files, one a line."""
    package = package_flow(check_flow(flow, name=flow_name), settings_of(package_suffixes=package_suffixes))
    print_files(package, as_json=as_json)


@click.command()
@options(flow_argument, file_argument, flow_option, suffixes_option)
def save(flow: str, file: str, flow_name: str | None, package_suffixes: str | None) -> None:
    """Write the package, a zip archive, into a file."""
    settings = settings_of(package_suffixes=package_suffixes)
    tell_saved(save_package(check_flow(flow, name=flow_name), settings, file), file)


def print_info(package: CodePackage, *, as_json: bool = False) -> None:
    facts: dict[str, Any] = {
        "digest": package.digest,
        "files": len(package.files),
        "bytes": package.size,
        "compressed": len(package.data),
    }
    if as_json:
        print_json(facts)
        return
    click.echo(f"{package.digest[:10]}: {len(package.files)} files, {package.size:,} bytes of the user's")
    click.echo(f"{len(package.data):,} bytes compressed, with the modules that run them")


def print_files(package: CodePackage, *, as_json: bool = False) -> None:
    if as_json:
        print_json(list(package.files))
        return
    for file in package.files:
        click.echo(file)


def tell_saved(package: CodePackage, file: str) -> None:
    tell(f"the code package {package.digest[:10]} is in {file}")


@click.group(cls=CommandGroup, commands={"info": info, "list": list_command, "save": save})
def package() -> None:
    """See what a flow's tasks get of its code: the files beside it, and no more.

    \b
    Examples:
      mfhera package list flow.py
      mfhera package save flow.py flow.zip
    """


@click.command("info")
@timeout_option
@click.pass_context
def info_of_program(ctx: click.Context, /, timeout: str | None) -> None:
    """Print how many files there are, how large they are, and what names the package."""
    program = program_of(ctx)
    print_info(package_flow(program.check(), program.load()))


@click.command("list")
@timeout_option
@click.option("--archive", is_flag=True, hidden=True, help="The package is a zip archive anyhow.")
@click.pass_context
def list_of_program(ctx: click.Context, /, timeout: str | None, archive: bool) -> None:
    """Print the files, one a line."""
    program = program_of(ctx)
    print_files(package_flow(program.check(), program.load()))


@click.command("save")
@file_argument
@timeout_option
@click.pass_context
def save_of_program(ctx: click.Context, /, file: str, timeout: str | None) -> None:
    """Write the package, a zip archive, into a file."""
    program = program_of(ctx)
    tell_saved(save_package(program.check(), program.load(), file), file)


@click.group(
    "package",
    cls=CommandGroup,
    commands={"info": info_of_program, "list": list_of_program, "save": save_of_program},
)
def package_of_program() -> None:
    """See what the flow's tasks get of its code."""
