"""What is said of objects in a cluster that are none of ours. All pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PART_OF: Final = "app.kubernetes.io/part-of"
METAFLOW: Final = "metaflow"


def is_metaflows(document: Mapping[str, Any]) -> bool:
    """Whether Metaflow made an object, as its label says."""
    return (document["metadata"].get("labels") or {}).get(PART_OF) == METAFLOW


def foreign_run(workflow: Mapping[str, Any], place: str, namespace: str) -> str:
    """Metaflow gives its runs ids like ours, so whoever comes from there meets this by a slip."""
    name = workflow["metadata"]["name"]
    by_argo = f"argo -n {namespace} get {name}, or end it with: argo -n {namespace} terminate {name}"
    if is_metaflows(workflow):
        return f"{_found('Workflow', workflow, place)}; use Metaflow's own commands, or look at it with: {by_argo}"
    return f"{_found('Workflow', workflow, place)}; whoever made it can look at it with: {by_argo}"


def foreign_deployment(template: Mapping[str, Any], place: str, namespace: str) -> str:
    name = template["metadata"]["name"]
    if is_metaflows(template):
        return f"{_found('WorkflowTemplate', template, place)}; {_DELETE}"
    return (
        f"{_found('WorkflowTemplate', template, place)}; whoever made it can remove it with: "
        f"kubectl -n {namespace} delete workflowtemplate {name}"
    )


def in_the_way(kind: str, found: Mapping[str, Any], place: str) -> str:
    """Of an object that has the name of one that is to be deployed."""
    advice = f"{_DELETE}, or choose" if is_metaflows(found) else "choose"
    return f"{_found(kind, found, place)}; {advice} another name with --name"


_DELETE: Final = "delete it with Metaflow's own command, `python flow.py argo-workflows delete`"


def _found(kind: str, document: Mapping[str, Any], place: str) -> str:
    whose = "Metaflow made, and that is none of ours" if is_metaflows(document) else "is none of ours"
    return f"there is a {kind} {document['metadata']['name']!r} in {place} that {whose}"
