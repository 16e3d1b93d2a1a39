"""What is kept of deployments: which production namespace is theirs, and the versions that there were."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """A production namespace in one place: of one deployment, or of all of a project in one branch."""

    namespace: str
    digest: str
    """Of its token, salted; the token itself is kept nowhere but with its owner."""
    owner: str
    """Who made the token."""
    made: float
    number: int = 0
    """The highest that a namespace here ever had."""
    released: bool = False
    """Whether its last deployment was deleted: the namespace is the next one's, whoever makes that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """A version of a deployment, whole."""

    deployment: str
    version: str
    deployed: float
    deployer: str
    manifests: str
    """As JSON, a list of all objects."""
