"""Workflows that hold their whole Plan, and the Plans behind Workflows of any kind."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends.argo_objects import run_status
from metaflow_hera.backends.one_off import one_off_workflow, own_parameters, plan_of_workflow
from metaflow_hera.errors import ManifestError
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import Annotations
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Parameter, Plan

VALUES = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(["{{workflow.name}}", "{{=1", "$(HOME)"])


def plan_of(graph: Graph, *parameters: Parameter) -> Plan:
    options = CompileOptions(
        name="generated", file="f.py", store="s3://b/x", code="data/aa/aa", image="x", command=("x",)
    )
    return compile_plan(graph, replace(options, parameters=parameters))


def as_kept(workflow: dict[str, Any], **status: object) -> dict[str, Any]:
    """As a server and a controller leave it."""
    kept = copy.deepcopy(workflow)
    kept["metadata"].pop("generateName", None)
    kept["metadata"] |= {"name": "generated-x7k2p", "creationTimestamp": "2030-01-01T00:00:00Z", "uid": "1"}
    kept["metadata"]["labels"]["workflows.argoproj.io/phase"] = "Failed"
    kept["metadata"]["labels"]["events.argoproj.io/sensor"] = "somebodys"
    kept["metadata"].setdefault("annotations", {})["workflows.argoproj.io/pod-name-format"] = "v2"
    kept["metadata"]["annotations"]["metaflow-hera/program"] = "print()"
    kept["status"] = {"phase": "Failed", **status}
    return kept


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    graphs(max_leaves=3, decorated=False),
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=3),
)
def test_the_plan_and_the_values_come_back(graph: Graph, values: dict[str, str]) -> None:
    values = {name: value for name, value in values.items() if name != "json"}
    plan = plan_of(graph, *(Parameter(name=name) for name in values))
    workflow = one_off_workflow(plan, values)
    assert "arguments" not in workflow["spec"], "Argo would evaluate what is in them"
    kept = as_kept(workflow)
    assert own_parameters(kept) == values
    assert run_status(kept).parameters == values
    valued = tuple(Parameter(name=name, value=value) for name, value in values.items())
    assert plan_of_workflow(kept, "") == replace(plan, parameters=valued)


def triggered(plan: Plan) -> dict[str, Any]:
    """A Workflow of a template, as its controller leaves it."""
    (template,) = manifests(plan)
    workflow = {
        "metadata": {"labels": dict(plan.run_labels), "annotations": {Annotations.FLOW: "GeneratedFlow"}},
        "spec": {
            "workflowTemplateRef": {"name": plan.name},
            "arguments": {"parameters": [{"name": "alpha", "value": "{{given}}"}]},
            "shutdown": "Terminate",
        },
    }
    stored = {**template["spec"], "workflowTemplateRef": {"name": plan.name}}
    return as_kept(workflow, storedWorkflowTemplateSpec=stored)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(max_leaves=3, decorated=False))
def test_the_plan_of_a_run_of_a_deployment_is_what_its_controller_stored(graph: Graph) -> None:
    plan = plan_of(graph, Parameter(name="alpha", value="1"))
    found = plan_of_workflow(triggered(plan), plan.name)
    assert (found.templates, found.entrypoint, found.on_exit) == (plan.templates, plan.entrypoint, plan.on_exit)
    assert found.parameters == (Parameter(name="alpha", value="{{given}}"),)
    assert found.annotations == {Annotations.FLOW: "GeneratedFlow"}
    assert found.labels == plan.run_labels


def test_a_workflow_of_somebody_else_has_no_plan() -> None:
    foreign = {"metadata": {"name": "x-1"}, "spec": {"entrypoint": "a", "templates": [{"name": "a", "suspend": {}}]}}
    with pytest.raises(ManifestError, match="only container, dag and steps"):
        plan_of_workflow(foreign, "")
