"""Commands of the peer's that there are none of here, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ON_ARGO: Final = "flows are deployed to Argo Workflows; `mfhera deploy flow.py` does that, or `argo-workflows create`"

ABSENT: Final[Mapping[str, str]] = {
    "airflow": _ON_ARGO,
    "batch": "steps run in Kubernetes; @kubernetes and @resources say what they need",
    "configure": "settings come from the environment and from pyproject.toml; `mfhera config` shows them",
    "server": "`mfhera card view RUN` opens a card in a browser",
    "step-functions": _ON_ARGO,
    "tutorials": "the README and docs/guide.md begin with flows that run",
}
"""By name; whatever group they are in with the peer."""
