"""What a deployment promises with the flow's decorators: what it cannot, is refused or told."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.deploy.projects import project_facts
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.flow.current import provided
from metaflow_hera.flow.parameter_values import ParameterContext, log_to_stderr
from metaflow_hera.graph.model import HIDDEN
from metaflow_hera.settings import Settings

TRIGGERS = ("trigger", "trigger_on_finish")

WITHOUT_EFFECT = {
    "trigger": "no event starts runs",
    "trigger_on_finish": "no run of another flow starts runs",
}
"""Decorators that a deployment does not honour yet, and what that means."""


def without_effect(flow: CheckedFlow) -> Iterator[str]:
    """What a deployment of the flow does not do although the flow says so."""
    for name in dict.fromkeys(spec.name for spec in flow.graph.decorators if spec.name in WITHOUT_EFFECT):
        yield f"@{name} of {flow.name} has no effect on its deployment yet: {WITHOUT_EFFECT[name]}"


def check_promises(flow: CheckedFlow, settings: Settings) -> None:
    """Refuse what a manifest cannot hold, and what deploy-time functions of triggers gave and cannot be."""
    if any(text.startswith("secrets") and HIDDEN in text for text in flow.decorators):
        raise UsageError(
            "--with secrets: the values of an inline secret would stand in the manifest, for everybody to read; "
            "write it above the step, or keep the secret in a vault"
        )
    if any(spec.name in TRIGGERS for spec in flow.graph.decorators):
        from metaflow_hera.flow.triggers import triggers_of  # few flows are triggered

        kind = "s3" if settings.datastore.startswith("s3://") else "local"
        context = ParameterContext(flow.name, settings.user, "", log_to_stderr, kind, flow.launch.configs)
        with provided(project_facts(flow.graph, settings.user)):
            triggers_of(flow.flow_class, context)
