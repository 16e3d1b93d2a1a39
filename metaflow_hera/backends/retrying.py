"""A Workflow that ended badly as one that goes on: what Argo's server does, for who has only the Kubernetes API.

Nodes that did not succeed are taken out of its status, so the controller makes them anew; groups of nodes are opened
again. All pure.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from metaflow_hera.backends import Phase
from metaflow_hera.backends.api import Document
from metaflow_hera.backends.argo_objects import ON_EXIT, nodes_of
from metaflow_hera.errors import BackendError

Node = Mapping[str, Any]

COMPRESS_ABOVE: Final = 1024 * 1024
"""Bytes of a Workflow with more of which Argo compresses its nodes."""

_DONE_LABELS: Final = ("workflows.argoproj.io/completed", "workflows.argoproj.io/workflow-archiving-status")
_GROUPS: Final = ("DAG", "TaskGroup", "Steps", "StepGroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The Workflow as it is to be written, and the nodes whose pods must be gone by then: new ones have their names."""

    workflow: Document
    pods: frozenset[str]


def refuse_retry(run: str, phase: Phase) -> None:
    if phase is Phase.SUCCEEDED:
        raise BackendError(
            f"run {run} succeeded, so there is nothing to try again; `mfhera trigger` starts another one"
        )


def retried(workflow: Mapping[str, Any], now: datetime) -> Retried:
    status = dict(workflow["status"])
    if status.get("offloadNodeStatusVersion"):
        raise BackendError(
            f"Workflow {workflow['metadata']['name']!r} is so large that its controller keeps its nodes in a database, "
            "which only the Argo Server reads; retry it with MFHERA_BACKEND=argo"
        )
    nodes = nodes_of(status)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    gone = _Nodes(workflow["metadata"]["name"], nodes).gone()
    kept = {key: _reopened(node, gone, stamp) for key, node in nodes.items() if key not in gone}
    opened = {
        **_without(status, "finishedAt", "compressedNodes"),
        "phase": "",
        "message": "",
        "startedAt": stamp,
        "nodes": kept,
        "conditions": _conditions(status.get("conditions") or ()),
        "taskResultsCompletionStatus": _without(status.get("taskResultsCompletionStatus") or {}, *gone),
    }
    if stored := status.get("storedWorkflowTemplateSpec"):
        opened["storedWorkflowTemplateSpec"] = _without(stored, "shutdown", "suspend")
    metadata = dict(workflow["metadata"])
    metadata["labels"] = _without(metadata.get("labels") or {}, *_DONE_LABELS)
    spec = _without(workflow["spec"], "shutdown", "suspend")
    written = _packed({**workflow, "metadata": metadata, "spec": spec, "status": opened})
    return Retried(workflow=written, pods=frozenset(key for key in gone if nodes[key]["type"] == "Pod"))


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a Workflow, and what is known of them."""

    workflow: str
    nodes: Mapping[str, Node]

    def gone(self) -> frozenset[str]:
        """Those that are made anew, and all of the exit handler."""
        lead = f"{self.workflow}{ON_EXIT}"
        retries = {
            child: key for key, node in self.nodes.items() if node["type"] == "Retry" for child in _children(node)
        }
        return frozenset(
            key
            for key, node in self.nodes.items()
            if node["name"].startswith(lead) or not self._stays(retries.get(key, key))  # an attempt goes with its task
        )

    def _stays(self, key: str) -> bool:
        """What has led to a success stays, too: a failure that did not matter, what was omitted for a good reason."""
        node = self.nodes[key]
        return node["type"] in _GROUPS or _is_done(node) or self._leads_to_success(key)

    def _leads_to_success(self, start: str) -> bool:
        """Whether a node below succeeded; without recursion, for a chain of nodes may be long."""
        seen, stack = {start}, [start]
        while stack:
            for child in _children(self.nodes[stack.pop()]):
                if child not in self.nodes or child in seen:
                    continue
                if self.nodes[child].get("phase") == Phase.SUCCEEDED:
                    return True
                seen.add(child)
                stack.append(child)
        return False


def _is_done(node: Node) -> bool:
    return node.get("phase") in (Phase.SUCCEEDED, Phase.SKIPPED)


def _children(node: Node) -> Iterator[str]:
    return iter(node.get("children") or ())


def _reopened(node: Node, gone: frozenset[str], stamp: str) -> Document:
    """A node that stays, without those that do not; a group of which not all succeeded runs again."""
    kept = dict(node)
    for name in ("children", "outboundNodes"):
        if name in kept:
            kept[name] = [key for key in kept[name] or () if key not in gone]
    if node["type"] not in _GROUPS or _is_done(node):
        return kept
    return {**_without(kept, "finishedAt", "message"), "phase": Phase.RUNNING.value, "startedAt": stamp}


def _conditions(before: Any) -> list[Document]:
    return [*(each for each in before if each.get("type") != "Completed"), {"type": "Completed", "status": "False"}]


def _without(found: Mapping[str, Any], *names: str) -> Document:
    return {name: value for name, value in found.items() if name not in names}


def _packed(workflow: Document) -> Document:
    if len(json.dumps(workflow)) <= COMPRESS_ABOVE:
        return workflow
    status = workflow["status"]
    nodes = base64.b64encode(gzip.compress(json.dumps(status["nodes"]).encode())).decode()
    return {**workflow, "status": {**_without(status, "nodes"), "compressedNodes": nodes}}
