"""A Workflow that ended badly, opened again: on documents as Argo's controller left them."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.backends.argo_objects import nodes_of
from metaflow_hera.backends.retrying import COMPRESS_ABOVE, retried
from metaflow_hera.errors import BackendError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
WF = "wf-1"


def node(key: str, kind: str, phase: str, *children: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return {"id": key, "name": name or f"{WF}.{key}", "type": kind, "phase": phase, "children": [*children], **fields}


def workflow(*nodes: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": WF,
            "resourceVersion": "7",
            "labels": {"workflows.argoproj.io/completed": "true", "kept": "yes"},
        },
        "spec": {"workflowTemplateRef": {"name": "wf"}, "shutdown": "Stop", "suspend": True},
        "status": {
            "phase": "Failed",
            "message": "no",
            "startedAt": "2026-11-27T11:00:00Z",
            "finishedAt": "2026-11-27T11:10:00Z",
            "conditions": [{"type": "Completed", "status": "True"}, {"type": "PodRunning", "status": "False"}],
            "storedWorkflowTemplateSpec": {"entrypoint": "main", "shutdown": "Stop"},
            "nodes": {each["id"]: each for each in nodes},
            "taskResultsCompletionStatus": {each["id"]: True for each in nodes if each["type"] == "Pod"},
            **status,
        },
    }


FAN = (
    node("root", "DAG", "Failed", "start", name=WF, message="child failed", finishedAt="x"),
    node("start", "Pod", "Succeeded", "wrap"),
    node("wrap", "DAG", "Failed", "group", outboundNodes=["x0", "x1b"]),
    node("group", "TaskGroup", "Failed", "x0", "x1"),
    node("x0", "Retry", "Succeeded", "x0a", "x0b"),
    node("x0a", "Pod", "Failed", nodeFlag={"retried": True}),
    node("x0b", "Pod", "Succeeded", "join", nodeFlag={"retried": True}),
    node("x1", "Retry", "Failed", "x1a", "x1b"),
    node("x1a", "Pod", "Failed", nodeFlag={"retried": True}),
    node("x1b", "Pod", "Error", "join", nodeFlag={"retried": True}),
    node("join", "Skipped", "Omitted"),
    node("exit", "Steps", "Succeeded", "group-of-exit", name=f"{WF}.onExit"),
    node("group-of-exit", "StepGroup", "Succeeded", "finish", name=f"{WF}.onExit[0]"),
    node("finish", "Pod", "Succeeded", name=f"{WF}.onExit[0].finish"),
)


def test_what_did_not_succeed_goes_with_its_pods_and_groups_are_opened() -> None:
    again = retried(workflow(*FAN), NOW)
    nodes = again.workflow["status"]["nodes"]
    assert sorted(nodes) == ["group", "root", "start", "wrap", "x0", "x0a", "x0b"]
    assert again.pods == {"x1a", "x1b", "finish"}
    assert {key: nodes[key]["phase"] for key in ("root", "wrap", "group")} == dict.fromkeys(
        ("root", "wrap", "group"), "Running"
    )
    assert nodes["root"]["startedAt"] == "2026-11-27T12:00:00Z"
    assert "message" not in nodes["root"]
    assert (nodes["group"]["children"], nodes["wrap"]["outboundNodes"]) == (["x0"], ["x0"])
    assert nodes["x0b"]["children"] == []
    assert nodes["x0a"] == FAN[5], "a failed attempt of what succeeded stays as it is"


def test_the_workflow_itself_goes_on_as_if_it_had_not_ended() -> None:
    before = workflow(*FAN)
    opened = retried(before, NOW).workflow
    status = opened["status"]
    assert opened["metadata"] == {"name": WF, "resourceVersion": "7", "labels": {"kept": "yes"}}
    assert opened["spec"] == {"workflowTemplateRef": {"name": "wf"}}
    assert (status["phase"], status["message"], "finishedAt" in status) == ("", "", False)
    assert status["conditions"][-1] == {"type": "Completed", "status": "False"}
    assert status["storedWorkflowTemplateSpec"] == {"entrypoint": "main"}
    assert sorted(status["taskResultsCompletionStatus"]) == ["start", "x0a", "x0b"]
    assert before == workflow(*FAN), "what is given is not changed"


def test_a_branch_that_was_not_chosen_stays_so() -> None:
    chosen = (
        node("root", "DAG", "Failed", "s", name=WF),
        node("s", "Pod", "Succeeded", "b", "c"),
        node("b", "Pod", "Succeeded", "meet"),
        node("c", "Skipped", "Skipped", "after-c"),
        node("after-c", "Skipped", "Omitted", "meet"),
        node("meet", "Pod", "Succeeded", "end"),
        node("end", "Pod", "Failed"),
    )
    assert sorted(retried(workflow(*chosen), NOW).workflow["status"]["nodes"]) == sorted(
        {"root", "s", "b", "c", "after-c", "meet"}
    )


def test_a_failure_that_did_not_matter_is_not_repeated() -> None:
    past = (
        node("root", "DAG", "Failed", "a", name=WF),
        node("a", "Pod", "Failed", "b"),
        node("b", "Pod", "Succeeded", "end"),
        node("end", "Pod", "Failed"),
    )
    assert retried(workflow(*past), NOW).pods == {"end"}


def test_nodes_that_were_compressed_are_again() -> None:
    packed = base64.b64encode(gzip.compress(json.dumps({each["id"]: each for each in FAN}).encode())).decode()
    small = retried(workflow(nodes=None, compressedNodes=packed), NOW).workflow["status"]
    assert ("x0" in small["nodes"], "compressedNodes" in small) == (True, False)
    many = [node(f"n{number}", "Pod", "Succeeded", message="m" * 1000) for number in range(COMPRESS_ABOVE // 1000)]
    large = retried(workflow(*many), NOW).workflow
    assert "nodes" not in large["status"]
    assert len(json.dumps(large)) < COMPRESS_ABOVE
    assert len(nodes_of(large["status"])) == len(many)


def test_nodes_that_are_elsewhere_are_left_to_the_argo_server() -> None:
    with pytest.raises(BackendError, match="retry it with MFHERA_BACKEND=argo"):
        retried(workflow(offloadNodeStatusVersion="fnv:1"), NOW)


PHASES = st.sampled_from(["Succeeded", "Failed", "Error", "Skipped", "Omitted", "Running", "Pending"])
KINDS = st.sampled_from(["Pod", "Retry", "DAG", "TaskGroup", "Skipped"])


@given(st.lists(st.tuples(KINDS, PHASES, st.sets(st.integers(0, 11))), max_size=12))
def test_whatever_the_nodes_are_nothing_points_to_what_is_gone_and_successes_stay(
    drawn: list[tuple[str, str, set[int]]],
) -> None:
    nodes = [
        node(str(number), kind, phase, *(str(child) for child in sorted(children) if number < child < len(drawn)))
        for number, (kind, phase, children) in enumerate(drawn)
    ]
    again = retried(workflow(*nodes), NOW)
    kept = again.workflow["status"]["nodes"]
    attempts = {child for each in nodes if each["type"] == "Retry" for child in each["children"]}
    assert {child for each in kept.values() for child in each["children"]} <= kept.keys()
    for each in nodes:
        if each["phase"] == "Succeeded" and each["id"] not in attempts:
            assert each["id"] in kept
    assert {key for key in again.pods if key in kept} == set()
    assert retried({**again.workflow, "status": {**again.workflow["status"], "phase": "Failed"}}, NOW).pods <= {
        key for key, each in kept.items() if each["type"] == "Pod"
    }
