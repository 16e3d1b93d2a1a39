"""The manifests of a flow, as data and as Hera's objects, without a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import compile_flow, describe_package
from metaflow_hera.deploy.promises import without_effect
from metaflow_hera.deploy.source import FlowLike, check_flow
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.settings import Settings

if TYPE_CHECKING:
    from hera.workflows import WorkflowTemplate


def compile_manifests(
    flow: FlowLike,
    choices: Choices | None = None,
    *,
    name: str | None = None,
    with_: Sequence[str] = (),
    settings: Settings | None = None,
    tell: Tell = silent,
) -> list[dict[str, Any]]:
    """The WorkflowTemplate and, with a schedule, the CronWorkflow; the code package is put into the datastore."""
    settings = settings or Settings.load()
    compiled = compile_flow(check_flow(flow, name=name, with_=with_), choices or Choices(), settings)
    documents = manifests(compiled.plan)
    compiled.upload()
    tell(describe_package(compiled))
    for sentence in without_effect(compiled.flow):
        tell(sentence)
    if "://" not in compiled.store.uri:
        tell(f"these manifests are for this machine alone: the datastore is the directory {compiled.store.uri}")
    return documents


def to_workflow_template(
    flow: FlowLike, choices: Choices | None = None, *, with_: Sequence[str] = (), settings: Settings | None = None
) -> WorkflowTemplate:
    """The flow as an object of Hera's, to change it or to hand it on; nothing is written.

    Its code package has to be in the datastore when it runs: `deploy` and `compile_manifests` put it there.
    """
    from metaflow_hera.argo.hera_objects import to_workflow_template as translate  # Hera takes a second

    settings = settings or Settings.load()
    return translate(compile_flow(check_flow(flow, with_=with_), choices or Choices(), settings).plan)
