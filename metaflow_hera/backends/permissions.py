"""What Kubernetes must allow, by what is done: the one table that Roles are made of, and that tests hold us to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

ARGO: Final = "argoproj.io"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One verb on one kind of object of one namespace; the group of Kubernetes' own kinds is empty."""

    group: str
    resource: str
    verb: str


def _each(group: str, resource: str, *verbs: str) -> tuple[Permission, ...]:
    return tuple(Permission(group, resource, verb) for verb in verbs)


_FIND: Final = _each(ARGO, "workflowtemplates", "get", "list")
"""A deployment, or the names of all where there is none of that name."""

_PUBLISH: Final = (
    *_each(ARGO, "workflowtemplates", "get", "create", "update"),
    *_each(ARGO, "cronworkflows", "get", "create", "update", "delete"),
    *_each(ARGO, "sensors", "get", "create", "update", "delete"),
)
"""A deployment whole; what is only checked takes the same rights."""

_CHANGE: Final = _each(ARGO, "workflows", "get", "patch")

OPERATIONS: Final[Mapping[str, tuple[Permission, ...]]] = {
    "check": _PUBLISH,
    "deploy": _PUBLISH,
    "deployment": _FIND,
    "deployments": _each(ARGO, "workflowtemplates", "list"),
    "delete": (
        *_each(ARGO, "workflowtemplates", "get", "list", "delete"),
        *_each(ARGO, "cronworkflows", "get", "delete"),
        *_each(ARGO, "sensors", "get", "delete"),
    ),
    "trigger": (*_FIND, *_each(ARGO, "workflows", "create")),
    "submit": _each(ARGO, "workflows", "create"),
    "run": _each(ARGO, "workflows", "get"),
    "runs": _each(ARGO, "workflows", "list"),
    "plan": _each(ARGO, "workflows", "get"),
    "watch": _each(ARGO, "workflows", "get", "watch"),
    "pod_log": (*_each(ARGO, "workflows", "get"), *_each("", "pods/log", "get")),
    "terminate": (*_CHANGE, *_each(ARGO, "workflowtemplates", "get")),
    "stop": _CHANGE,
    "suspend": _CHANGE,
    "unsuspend": _CHANGE,
    "retry": (
        *_each(ARGO, "workflows", "get", "update"),
        *_each(ARGO, "workflowtemplates", "get"),
        *_each("", "pods", "list", "delete"),
    ),
}
"""Of deployers, by the methods of a `backends.Backend`.

Whoever asks for a run that no controller has taken up, and that none of ours started, must also get its template.
"""

OF_PODS: Final = _each(ARGO, "workflowtaskresults", "create", "patch")
"""Of Argo's executor beside each step; our own code in a pod asks Kubernetes for nothing."""

OF_SENSORS: Final = _each(ARGO, "workflows", "create")
"""Of the Sensors that start runs when events come."""


def deployers() -> tuple[Permission, ...]:
    """All that the deployers of flows may do."""
    return tuple(sorted({each for permissions in OPERATIONS.values() for each in permissions}))


def rules(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """As a Role has them: one rule for each kind of object."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for each in sorted(set(permissions)):
        verbs.setdefault((each.group, each.resource), []).append(each.verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(listed)}
        for (group, resource), listed in verbs.items()
    ]
