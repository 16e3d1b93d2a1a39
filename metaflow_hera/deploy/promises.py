"""What a deployment promises with the flow's decorators: what it cannot, is refused or told."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.graph.model import HIDDEN

WITHOUT_EFFECT = {
    "exit_hook": "its functions are called after local runs only",
}
"""Decorators that a deployment does not honour yet, and what that means."""


def without_effect(flow: CheckedFlow) -> Iterator[str]:
    """What a deployment of the flow does not do although the flow says so."""
    for name in dict.fromkeys(spec.name for spec in flow.graph.decorators if spec.name in WITHOUT_EFFECT):
        yield f"@{name} of {flow.name} has no effect on its deployment yet: {WITHOUT_EFFECT[name]}"


def check_promises(flow: CheckedFlow) -> None:
    """Refuse what a manifest cannot hold."""
    if any(text.startswith("secrets") and HIDDEN in text for text in flow.decorators):
        raise UsageError(
            "--with secrets: the values of an inline secret would stand in the manifest, for everybody to read; "
            "write it above the step, or keep the secret in a vault"
        )
