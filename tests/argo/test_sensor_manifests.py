"""The Sensor: what it waits for, what it starts, and that it is read back. Argo Events' rules are written out here."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import crds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.errors import ManifestError
from metaflow_hera.graph.model import End, Graph, Linear, Step
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import EventSource, Parameter, Plan, Reset, Triggers
from metaflow_hera.records.events import Awaited

STEPS = {"start": Step(name="start", transition=Linear("end")), "end": Step(name="end", transition=End())}
SOURCE = EventSource(name="webhook", event="metaflow", bus="bus", service_account="sensor")
DATA = Awaited(name="data.new", parameters={"needed": "Rows"}, required=("Rows",))
UP = Awaited(name="metaflow.p.test.b.Up.end", flow="Up", project="p", branch="test.b")


def triggered(*events: Awaited, resets: tuple[Reset, ...] = (), source: EventSource | None = SOURCE) -> Plan:
    options = CompileOptions(
        name="p.test.b.flow",
        file="flow.py",
        store="s3://bucket",
        image="python:3.11",
        command=("python", "-c", ""),
        namespace="team",
        parameters=(Parameter(name="needed"), Parameter(name="other", value="x")),
        started_by=Triggers(events=events, resets=resets, source=source),
    )
    return compile_plan(Graph(flow="Flow", steps=STEPS), options)


def sensor_of(plan: Plan) -> dict[str, Any]:
    [sensor] = [document for document in manifests(plan) if document["kind"] == "Sensor"]
    return sensor


def passes(sensor: dict[str, Any], number: int, payload: dict[str, Any]) -> bool:
    """Whether Argo Events takes an event for that of a dependency: all filters, each a regular expression somewhere."""
    for each in sensor["spec"]["dependencies"][number]["filters"]["data"]:
        assert each["type"] == "string"
        field = each["path"].removeprefix("body.payload.")
        if field not in payload:
            return False
        value = payload[field]
        text = value if isinstance(value, str) else json.dumps(value)
        [pattern] = each["value"]
        if not re.search(pattern.replace("$", r"\Z"), text):
            return False
    return True


@crds.required
def test_a_sensor_is_named_after_its_deployment_without_dots_and_taken_by_kubernetes() -> None:
    sensor = sensor_of(triggered(DATA, UP, resets=(Reset(cron="0 0 * * *", timezone="Europe/Berlin"),)))
    assert crds.problems(sensor) == []
    assert (sensor["metadata"]["name"], sensor["metadata"]["namespace"]) == ("p-test-b-flow", "team")
    assert sensor["spec"]["eventBusName"] == "bus"
    assert sensor["spec"]["template"] == {"serviceAccountName": "sensor"}
    [trigger] = sensor["spec"]["triggers"]
    assert trigger["template"]["conditionsReset"] == [{"byTime": {"cron": "0 0 * * *", "timezone": "Europe/Berlin"}}]
    assert trigger["atLeastOnce"] is True
    assert [(each["eventSourceName"], each["eventName"]) for each in sensor["spec"]["dependencies"]] == [
        ("webhook", "metaflow")
    ] * 2


def test_what_it_starts_has_every_payload_and_something_for_parameters_without_a_default() -> None:
    template = sensor_of(triggered(DATA, UP))["spec"]["triggers"][0]["template"]["k8s"]
    workflow = template["source"]["resource"]
    assert workflow["spec"] == {
        "workflowTemplateRef": {"name": "p.test.b.flow"},
        "arguments": {
            "parameters": [
                {"name": "mfhera-event-0", "value": "{}"},
                {"name": "mfhera-event-1", "value": "{}"},
                {"name": "needed", "value": "<none>"},
            ]
        },
    }
    assert workflow["metadata"]["labels"]["workflows.argoproj.io/workflow-template"] == "p.test.b.flow"
    assert [
        (each["src"]["dependencyName"], each["src"]["dataKey"], each["dest"]) for each in template["parameters"]
    ] == [(f"event-{number}", "body.payload", f"spec.arguments.parameters.{number}.value") for number in (0, 1)]


FIELDS = st.sampled_from(["Rows", "auto-generated-by-metaflow", "project_name", "branch_name", "name", "else"])
VALUES = st.sampled_from(["True", "true", True, False, "p", "pp", "test.b", "testxb", DATA.name, UP.name, "", None, 0])


@given(st.dictionaries(FIELDS, VALUES))
def test_a_sensor_takes_the_events_that_the_embedded_engine_takes(payload: dict[str, Any]) -> None:
    sensor = sensor_of(triggered(DATA, UP))
    for number, awaited in enumerate((DATA, UP)):
        assert passes(sensor, number, payload) == awaited.is_met_by(str(payload.get("name")), payload)


@pytest.mark.parametrize("name", ["data_new", "dataxnew", "data.new.x", "x.data.new", "data.new\n", ""])
def test_a_name_is_matched_whole(name: str) -> None:
    assert not passes(sensor_of(triggered(DATA)), 0, {"name": name, "Rows": 1})


def test_it_is_read_back_and_what_kubernetes_and_argo_add_is_not_in_the_way() -> None:
    plan = triggered(DATA, UP, resets=(Reset(cron="0 0 * * *"),))
    documents = manifests(plan)
    assert from_manifests(documents) == plan
    assert from_manifests(documents[:1]) == plan
    sensor = documents[1]
    sensor["metadata"] |= {"uid": "x", "resourceVersion": "1", "generation": 1, "creationTimestamp": "2026-01-01"}
    sensor["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    sensor["metadata"]["labels"]["workflows.argoproj.io/creator"] = "admin"
    sensor["spec"]["loggingFields"] = None
    sensor["status"] = {}
    assert from_manifests(documents) == plan


def test_without_argo_events_there_is_no_sensor_and_the_triggers_are_kept() -> None:
    plan = triggered(DATA, source=None)
    [document] = manifests(plan)
    assert from_manifests([document]) == plan


CHANGES: list[tuple[str, Any, str]] = [
    ("1.spec.dependencies.0.eventName", "other", "'dependencies' is"),
    ("1.spec.triggers.0.atLeastOnce", False, "'triggers' is"),
    ("1.spec.replicas", 2, "'replicas' is not in our subset of Argo"),
    ("1.metadata.annotations.metaflow-hera/deployment", "other", "'metaflow-hera/deployment' is 'other'"),
    ("1.metadata.name", "other", "'name' is 'other'"),
    ("1.metadata.labels", {}, "its labels are not those of WorkflowTemplate"),
    ("0.metadata.annotations.metaflow-hera/triggers", "{", "'metaflow-hera/triggers' is '{', which says no triggers"),
    ("0.metadata.annotations.metaflow-hera/triggers", None, "has no triggers for a Sensor, but there is one"),
]


@pytest.mark.parametrize(("place", "value", "complaint"), CHANGES)
def test_a_sensor_that_is_not_that_of_the_template_is_refused(place: str, value: Any, complaint: str) -> None:
    documents: Any = copy.deepcopy(manifests(triggered(DATA)))
    *folders, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    holder = documents
    for folder in folders:
        holder = holder[folder]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    with pytest.raises(ManifestError) as error:
        from_manifests(documents)
    assert complaint in str(error.value)


def test_nothing_in_the_template_is_evaluated_by_argo_workflows() -> None:
    """Argo Events alone reads the Go template of the Sensor; what the start step reads lies in the WorkflowTemplate."""
    template, _ = manifests(triggered(DATA, replace(UP, parameters={"other": "x"})))
    [start] = [each for each in template["spec"]["templates"] if each["name"] == "start"]
    words = start["container"]["args"]
    given = [json.loads(words[number + 1]) for number, word in enumerate(words) if word == "--events"]
    assert [each["name"] for each in given] == ["data.new", "metaflow.p.test.b.Up.end"]
    assert not any("{{" in word for word in words if word.startswith("{"))
