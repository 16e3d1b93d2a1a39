"""What a deployment promises with the flow's decorators: what it cannot, is refused or told."""

from __future__ import annotations

from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.graph.as_json import HIDDEN


def check_promises(flow: CheckedFlow) -> None:
    """Refuse what a manifest cannot hold."""
    if any(text.startswith("secrets") and HIDDEN in text for text in flow.decorators):
        raise UsageError(
            "--with secrets: the values of an inline secret would stand in the manifest, for everybody to read; "
            "write it above the step, or keep the secret in a vault"
        )
