"""Flows that start by themselves, on a real API server and a real Argo; the test plays the bus of Argo Events."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webhook import Webhook, opened_webhook

from metaflow_hera import Run
from metaflow_hera.deploy.versions import OF_NOW
from metaflow_hera.event_names import sensor_name
from metaflow_hera.labels import Annotations

AWAITING = Path(__file__).parent / "flows" / "awaiting.py"
KINDS = ("workflowtemplate", "cronworkflow", "sensor")

HOSTILE = (
    '"quotes" \'`\n\r\t {{workflow.name}} {{=1+1}} {{inputs.parameters.x}} {{ open }} $(HOME) $HOME \\ ü \u2028\x01\x7f'
)


def kubectl(*words: str, text: str | None = None, check: bool = True) -> str:
    return called("kubectl", *words, text=text, check=check)


def mfhera(*words: str | Path) -> str:
    return called(sys.executable, "-m", "metaflow_hera", *map(str, words))


def called(*words: str, text: str | None = None, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, input=text, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with opened_webhook() as opened:
        yield opened


@pytest.fixture
def place(cluster: Any, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The cluster, with an event source, and a webhook that pods of this machine reach."""
    monkeypatch.setenv("MFHERA_EVENT_SOURCE", "webhook")
    monkeypatch.setenv("MFHERA_EVENT_NAME", "metaflow")
    monkeypatch.setenv("MFHERA_SENSOR_SERVICE_ACCOUNT", "default")
    monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url)
    yield cluster
    for name in cluster.applied:
        kubectl("delete", "sensor", sensor_name(name), check=False)


def kept(name: str) -> dict[str, Any]:
    """What there is of a deployment, without whose it is there, and what the server and the moment have added."""
    found = {}
    for kind in KINDS:
        document = json.loads(kubectl("get", kind, name, "-o", "json"))
        metadata = document["metadata"]
        passing = {"kubectl.kubernetes.io/last-applied-configuration", Annotations.DEPLOYED_AT, *OF_NOW}
        annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key not in passing}
        found[kind] = (document["spec"], annotations, metadata.get("labels"))
    return found


def test_what_compile_writes_is_what_deploy_makes(place: Any) -> None:
    name = place.compile(AWAITING, "events-awaiting")
    applied = kept(name)
    assert applied["sensor"][0]["dependencies"][0]["eventSourceName"] == "webhook"
    for kind in KINDS:
        kubectl("delete", kind, name)

    mfhera("deploy", AWAITING, "--name", name, "--backend", "kubernetes")

    assert kept(name) == applied
    mfhera("delete", name, "--backend", "kubernetes")
    assert kubectl("get", "sensor,cronworkflow,workflowtemplate", "-o", "name").count(name) == 0


def test_a_workflow_as_a_sensor_makes_it_runs_with_what_the_events_say(place: Any, webhook: Webhook) -> None:
    name = place.compile(AWAITING, "events-awaiting")
    sensor = json.loads(kubectl("get", "sensor", name, "-o", "json"))
    k8s = sensor["spec"]["triggers"][0]["template"]["k8s"]
    document = {"{{k}}": [1, None, {"a": HOSTILE}], "big": 2**70}
    data = {"name": "data.new", "id": "i-1", "timestamp": 5, "text": HOSTILE, "number": 7, "document": document}
    end = {"name": "metaflow.fraud.prod.Up.end", "id": "Up/argo-up-1/end/0", "run_id": "argo-up-1"}
    workflow = k8s["source"]["resource"]
    for payload, handed in zip((data, end), k8s["parameters"], strict=True):
        place_of = int(handed["dest"].split(".")[3])
        text = json.dumps(payload, ensure_ascii=False).replace("{{", "{\\u007b")
        workflow["spec"]["arguments"]["parameters"][place_of]["value"] = text

    made = kubectl("create", "-f", "-", "-o", "jsonpath={.metadata.name}", text=json.dumps(workflow))

    assert place.wait(made) == "Succeeded"
    run = Run(f"AwaitingFlow/argo-{made}", namespace_check=False)
    assert run.data.got == [HOSTILE, 7, document, "as it was"]
    assert run.data.causes == [("data.new", "i-1", "event"), ("metaflow.fraud.prod.Up.end", "Up/argo-up-1", "run")]
    names = [event["name"] for event in webhook.events]
    assert names == ["metaflow.AwaitingFlow.start", "metaflow.AwaitingFlow.end"]
    assert [event["payload"]["id"] for event in webhook.events] == [f"{run.pathspec}/start/0", f"{run.pathspec}/end/0"]
