"""The manifests of a flow, as data and as Hera's objects, without a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import compile_flow, describe_package, in_first_namespace
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.lifecycle import tells_nobody_elsewhere
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.starting import check_for_cluster
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.settings import Settings

if TYPE_CHECKING:
    from hera.workflows import WorkflowTemplate


def compile_manifests(
    flow: FlowLike,
    choices: Choices | None = None,
    *,
    with_: Sequence[str] = (),
    launch: LaunchOptions | None = None,
    settings: Settings | None = None,
    tell: Tell = silent,
) -> list[dict[str, Any]]:
    """The WorkflowTemplate, and with a schedule the CronWorkflow, with triggers the Sensor.

    The code package is put into the datastore.
    """
    checked = check_flow(flow, with_=with_, launch=launch or LaunchOptions())
    return checked_manifests(checked, choices or Choices(), settings or Settings.load(), tell)


def checked_manifests(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell) -> list[dict[str, Any]]:
    """The same of a flow that is checked."""
    compiled = compile_flow(flow, in_first_namespace(flow, choices, settings), settings)
    check_for_cluster(compiled.plan, settings)
    documents = manifests(compiled.plan)
    compiled.upload()
    tell(describe_package(compiled))
    if tells_nobody_elsewhere(choices.lifecycle, settings):
        tell(
            "these manifests name no Secret with a channel, so in a cluster nobody would be told; give --notify-secret"
        )
    if "://" not in compiled.store.uri:
        tell(f"these manifests are for this machine alone: the datastore is the directory {compiled.store.uri}")
    return documents


def to_workflow_template(
    flow: FlowLike,
    choices: Choices | None = None,
    *,
    with_: Sequence[str] = (),
    launch: LaunchOptions | None = None,
    settings: Settings | None = None,
) -> WorkflowTemplate:
    """The flow as an object of Hera's, to change it or to hand it on; nothing is written.

    Its code package has to be in the datastore when it runs: `deploy` and `compile_manifests` put it there.
    """
    from metaflow_hera.argo.hera_objects import to_workflow_template as translate  # Hera takes a second

    settings = settings or Settings.load()
    checked = check_flow(flow, with_=with_, launch=launch or LaunchOptions())
    chosen = in_first_namespace(checked, choices or Choices(), settings)
    return translate(compile_flow(checked, chosen, settings).plan)
