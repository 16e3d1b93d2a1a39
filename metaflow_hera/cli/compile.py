"""`mfhera compile`: the manifests of a flow, for whoever applies them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from metaflow_hera.argo.manifest import beside
from metaflow_hera.argo.yaml_text import dump
from metaflow_hera.cli.launching import launch_options, taken_launch
from metaflow_hera.cli.lifecycle import lifecycle_options, taken_lifecycle
from metaflow_hera.cli.options import (
    datastore_option,
    events_option,
    flow_option,
    json_option,
    max_workers_option,
    name_option,
    options,
    settings_of,
    suffixes_option,
    tag_option,
    with_option,
)
from metaflow_hera.cli.output import tell, write_file
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.manifests import checked_manifests
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.labels import Annotations


@click.command("compile")
@click.argument("flow")
@options(flow_option, with_option, max_workers_option, name_option, tag_option, datastore_option, suffixes_option)
@events_option
@launch_options
@lifecycle_options
@click.option("-o", "--output", type=click.Path(file_okay=False), metavar="DIR", help="Write a file for each manifest.")
@json_option
def compile_command(
    flow: str, flow_name: str | None, with_: tuple[str, ...], output: str | None, as_json: bool, **chosen: Any
) -> None:
    """Compile a flow into manifests of Argo Workflows; needs no cluster.

    The code package is put into the datastore, so that the manifests can be applied as they are.

    \b
    Examples:
      mfhera compile flow.py
      mfhera compile flow.py --datastore s3://bucket/flows -o manifests
      kubectl apply -f manifests
    """
    settings = settings_of(chosen["datastore"], package_suffixes=chosen["package_suffixes"])
    choices = Choices(
        max_workers=chosen["max_workers"],
        name=chosen["name"],
        tags=chosen["tags"],
        publishes=chosen["auto_emit_argo_events"],
        lifecycle=taken_lifecycle(chosen),
    )
    checked = check_flow(flow, name=flow_name, with_=with_, launch=taken_launch(chosen))
    documents = checked_manifests(checked, choices, settings, tell)
    print_manifests(documents, output, as_json=as_json)


def _file(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{name}-{kind.lower()}.yaml"


def _remove_others(folder: Path, documents: list[dict[str, Any]]) -> None:
    """What an earlier version of the flow had and this one has not: applied again, it would go on starting runs."""
    written = {_file(folder, each["kind"], each["metadata"]["name"]) for each in documents}
    for kind, name in beside(documents[0]["metadata"]["name"]):
        file = _file(folder, kind, name)
        if file not in written and file.is_file() and Annotations.FLOW in file.read_text(encoding="utf-8"):
            file.unlink()
            tell(f"{file} is removed: the flow has no {kind} any more")


def print_manifests(documents: list[dict[str, Any]], output: str | None, *, as_json: bool) -> None:
    if output:
        for document in documents:
            file = _file(Path(output), document["kind"], document["metadata"]["name"])
            write_file(file, dump([document]))
            tell(f"{document['kind']} in {file}")
        _remove_others(Path(output), documents)
    if as_json:
        click.echo(json.dumps(documents, ensure_ascii=False, separators=(",", ":")))
    elif not output:
        click.echo(dump(documents), nl=False)
