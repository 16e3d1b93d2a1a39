"""What all our manifests say alike, so that a Plan need not: written by one side, expected by the other."""

from __future__ import annotations

from typing import Any, Final

from metaflow_hera.plan.records import STARTING_DEADLINE, Claim, Volume

API_VERSION: Final = "argoproj.io/v1alpha1"
PARAMETERS_ARTIFACT: Final = "parameters"
RETRY_POLICY: Final = "Always"

FORGIVEN: Final[dict[str, Any]] = {"error": True, "failed": True}
"""`continueOn` of a step whose end, however bad, does not count."""

CRON: Final[dict[str, Any]] = {
    "concurrencyPolicy": "Allow",  # as the peer: a run that is late does not cost the next one
    "startingDeadlineSeconds": STARTING_DEADLINE,
    "successfulJobsHistoryLimit": 10_000,  # Argo's default is to delete all but three runs
    "failedJobsHistoryLimit": 10_000,
}


def volume_name(volume: Volume, number: int) -> str:
    """A claim may have a name that no volume can have, so it goes by its place."""
    return f"claim-{number}" if isinstance(volume, Claim) else volume.name
