"""Roles in a cluster with which flows are deployed, run and triggered, and who has them: the least that suffices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metaflow_hera.backends.permissions import OF_PODS, OF_SENSORS, Permission, deployers, rules
from metaflow_hera.errors import UsageError

_GROUP: Final = "rbac.authorization.k8s.io"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?\Z")

DEFAULT_NAME: Final = "metaflow-hera"


@dataclass(frozen=True, kw_only=True)
class Grants:
    """Who gets which Roles in one namespace."""

    namespace: str
    name: str = DEFAULT_NAME
    """What the names of all objects begin with."""
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    """Deployers; without any, a service account of its own is one."""
    service_account: str = ""
    """Of pods; without one, they get one of their own."""
    sensor_account: str = ""
    """The same of Sensors."""

    def __post_init__(self) -> None:
        names = {
            "namespace": self.namespace,
            "name": self.name,
            "service account": self.service_account or "default",
            "service account of Sensors": self.sensor_account or "default",
        }
        for what, value in names.items():
            if not _NAME.match(value):
                raise UsageError(
                    f"the {what} {value!r} cannot be one in Kubernetes: write at most 50 lower-case letters, digits "
                    "and '-', with a letter or digit at both ends"
                )


def documents(grants: Grants) -> list[tuple[str, list[dict[str, Any]]]]:
    """Objects for ``kubectl apply``, each few of them after a sentence that says what they are for."""
    pods = grants.service_account or f"{grants.name}-pods"
    people = [*_subjects("User", grants.users), *_subjects("Group", grants.groups)]
    return [
        (
            "Deployers: who deploys, deletes, rolls back, triggers, looks at and ends flows.",
            list(_granted(grants, "deployer", deployers(), people)),
        ),
        (
            f"Pods: what Argo asks of the service account of steps. Deploy with MFHERA_SERVICE_ACCOUNT={pods}.",
            list(_granted(grants, "pods", OF_PODS, [], pods)),
        ),
        (
            "Sensors: what starts runs when events come, where Argo Events is installed.",
            list(_granted(grants, "sensor", OF_SENSORS, [], grants.sensor_account)),
        ),
    ]


def _granted(
    grants: Grants, role: str, permissions: Iterable[Permission], people: list[dict[str, str]], account: str = ""
) -> Iterator[dict[str, Any]]:
    name, account = f"{grants.name}-{role}", account or f"{grants.name}-{role}"
    if not people:
        if account != "default":  # which every namespace has
            yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(grants, account)}
        people = [{"kind": "ServiceAccount", "name": account, "namespace": grants.namespace}]
    yield {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "Role",
        "metadata": _metadata(grants, name),
        "rules": rules(permissions),
    }
    yield {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(grants, name),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": name},
        "subjects": people,
    }


def _subjects(kind: str, names: Iterable[str]) -> Iterator[dict[str, str]]:
    return ({"apiGroup": _GROUP, "kind": kind, "name": name} for name in names)


def _metadata(grants: Grants, name: str) -> dict[str, str]:
    return {"name": name, "namespace": grants.namespace}
