"""``python flow.py argo-workflows …``: deployments of one flow, in the peer's grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from metaflow_hera.backends import Action, RunStatus
from metaflow_hera.cli.accepted import create_options
from metaflow_hera.cli.controls import HELP, print_controlled
from metaflow_hera.cli.deploy import print_deployed
from metaflow_hera.cli.group import CommandGroup
from metaflow_hera.cli.launching import branch_words
from metaflow_hera.cli.lifecycle import lifecycle_options, taken_lifecycle
from metaflow_hera.cli.options import (
    events_option,
    json_option,
    max_workers_option,
    options,
    run_id_file_option,
    tag_option,
)
from metaflow_hera.cli.parameters import FlowCommand, Words
from metaflow_hera.cli.peer import Program, program_of
from metaflow_hera.cli.runs import print_runs
from metaflow_hera.cli.targets import Look, deployed_first
from metaflow_hera.cli.tokens import authorize_option, namespace_option, taken_tokens, token_options
from metaflow_hera.cli.trigger import start
from metaflow_hera.deploy import runs as use_cases
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.controls import act, found
from metaflow_hera.deploy.deployed_flows import DeployedFlow, deployed, deployed_by_any_version, deployments
from metaflow_hera.deploy.deployment import deploy_checked
from metaflow_hera.deploy.manifests import checked_manifests
from metaflow_hera.deploy.projects import name_of_class
from metaflow_hera.deploy.rights import Rights
from metaflow_hera.deploy.source import named_class
from metaflow_hera.errors import UsageError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import Parameter


def _name(ctx: click.Context) -> str:
    """The flow's name in Argo: that of ``--name``, or one made of the class's."""
    program = program_of(ctx)
    flow_class = named_class(program.target, options=program.launch)
    return name_of_class(flow_class, ctx.find_root().meta.get("name"), program.load().user)


def _deployed(ctx: click.Context, look: Look = deployed) -> DeployedFlow:
    program, root = program_of(ctx), ctx.find_root()
    words = f" --name {name}" if (name := root.meta.get("name")) else ""
    with deployed_first(look, f"{root.info_name}{branch_words(program.launch)} argo-workflows{words} create"):
        return look(_name(ctx), program.load())


def _parameters(_: Words) -> Sequence[Parameter]:
    return _deployed(click.get_current_context()).parameters


@click.command()
@options(max_workers_option, tag_option, events_option, token_options, namespace_option)
@options(lifecycle_options, create_options)
@click.option("--only-json", is_flag=True, help="Print the manifests as JSON and deploy nothing.")
@click.pass_context
def create(
    ctx: click.Context, /, max_workers: int, tags: tuple[str, ...], only_json: bool, **chosen: Any
) -> DeployedFlow | list[dict[str, Any]]:
    """Deploy the flow: make it the newest version of its deployment."""
    program = program_of(ctx)
    name = ctx.find_root().meta.get("name")
    choices = Choices(
        max_workers=max_workers,
        name=name,
        tags=tags,
        namespace=chosen["namespace"] or "",
        publishes=chosen["auto_emit_argo_events"],
        lifecycle=taken_lifecycle(chosen),
    )
    if only_json:
        return _print_manifests(program, choices)
    made = deploy_checked(program.check(), choices, program.load(), program.tell, tokens=taken_tokens(chosen))
    print_deployed(made)
    return made


def _print_manifests(program: Program, choices: Choices) -> list[dict[str, Any]]:
    from metaflow_hera.cli.compile import print_manifests  # YAML, which nothing else here needs

    documents = checked_manifests(program.check(), choices, program.load(), program.tell)
    print_manifests(documents, None, as_json=True)
    return documents


@click.command(cls=FlowCommand, find=_parameters)
@run_id_file_option
@click.pass_context
def trigger(ctx: click.Context, run_id_file: str | None, parameters: Mapping[str, str]) -> None:
    """Start a run of the deployed flow; print its id."""
    run = start(_deployed(ctx), parameters, run_id_file, program_of(ctx).tell)
    click.echo(run.run_id)


@click.command()
@click.argument("run_id")
@click.pass_context
def status(ctx: click.Context, run_id: str) -> None:
    """Print how far a run has come, in a word."""
    click.echo(use_cases.status(run_id, program_of(ctx).load()).phase)


def _control(action: Action) -> click.Command:
    """A command for runs of this flow's deployment, and no others."""

    def command(ctx: click.Context, run_id: str, authorize: str | None) -> None:
        rights = Rights(settings=program_of(ctx).load(), given=authorize)
        backend, before = found(action, run_id, rights.settings)
        _refuse_others(before, program_of(ctx).flow_name, _name(ctx))
        act(action, backend, before, rights)
        print_controlled(action, before)

    decorated = click.argument("run_id")(authorize_option(click.pass_context(command)))
    return click.command(action.value, help=HELP[action])(decorated)


def _refuse_others(run: RunStatus, flow: str, name: str) -> None:
    if run.flow != flow:
        raise UsageError(f"run {run.run} is one of the flow {run.flow}, not of {flow}")
    if run.deployment != name:
        raise UsageError(
            f"run {run.run} is one of the deployment {run.deployment!r}, not of {name!r}; choose that with --name "
            "after argo-workflows, or with --branch or --production before it"
        )


@click.command()
@authorize_option
@click.pass_context
def delete(ctx: click.Context, authorize: str | None) -> None:
    """Delete the deployment, its schedule and its triggers; runs in flight go on."""
    found = _deployed(ctx, deployed_by_any_version)
    found.delete(authorize)
    click.echo(f"{found.name} is deleted")


@click.command("list-runs")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@json_option
@click.pass_context
def list_runs(ctx: click.Context, limit: int, as_json: bool) -> None:
    """List the runs of the deployment, the newest first."""
    name, settings = _name(ctx), program_of(ctx).load()
    print_runs(use_cases.list_runs(name, settings, limit), settings, name, as_json=as_json)


@click.command("list-workflow-templates")
@click.option("--all", "of_all", is_flag=True, help="Those of every flow.")
@click.pass_context
def list_workflow_templates(ctx: click.Context, of_all: bool) -> None:
    """List what is deployed of this flow, by name."""
    program = program_of(ctx)
    flow = load_flow(program.target).__name__
    for each in deployments(program.load()):
        if of_all or each.flow_name == flow:
            click.echo(each.name)


@click.group(
    cls=CommandGroup,
    commands={
        "create": create,
        "trigger": trigger,
        "status": status,
        **{action.value: _control(action) for action in Action},
        "delete": delete,
        "list-runs": list_runs,
        "list-workflow-templates": list_workflow_templates,
    },
)
@click.option("--name", metavar="NAME", help="The name in Argo, instead of one made of the class's name.")
@click.pass_context
def argo_workflows(ctx: click.Context, /, **given: Any) -> None:
    """Deploy the flow to Argo Workflows, and run what is deployed."""
    ctx.find_root().meta["name"] = given["name"]
