"""What all our manifests say alike, so that a Plan need not: written by one side, expected by the other."""

from __future__ import annotations

from typing import Any, Final

from metaflow_hera.plan.records import Claim, Volume

API_VERSION: Final = "argoproj.io/v1alpha1"
PARAMETERS_ARTIFACT: Final = "parameters"
RETRY_POLICY: Final = "Always"

TEMPLATE_LABEL: Final = "workflows.argoproj.io/workflow-template"
"""On a Workflow, the WorkflowTemplate behind it: Argo's server and command line write it, too."""

FORGIVEN: Final[dict[str, Any]] = {"error": True, "failed": True}
"""`continueOn` of a step whose end, however bad, does not count."""


def volume_name(volume: Volume, number: int) -> str:
    """A claim may have a name that no volume can have, so it goes by its place."""
    return f"claim-{number}" if isinstance(volume, Claim) else volume.name
