"""Events on the command line, and what it says of flows that start by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import call, mfhera
from webhook import opened_webhook

from metaflow_hera.argo.yaml_text import load
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.settings import Settings

FLOW = """
from metaflow import FlowSpec, Parameter, schedule, step, trigger, trigger_on_finish


@schedule(hourly=True, concurrency_policy="Forbid")
@trigger(event={"name": "data", "parameters": {"Rows": "rows"}})
@trigger_on_finish(flow="Up", options={"reset_at": {"cron": "0 0 * * *", "timezone": "Europe/Berlin"}})
class Waiting(FlowSpec):
    Rows = Parameter("Rows", default=1)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Waiting()
"""

TOLD = (
    "  it runs by itself when all of this has come: the event data is published (with Rows from 'rows'); a run of Up "
    "succeeds; what came so far is forgotten at 0 0 * * * (Europe/Berlin)\n"
)


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "waiting.py"
    file.write_text(FLOW)
    yield file
    stop_engine(Settings.load())


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_EVENT_SOURCE", "webhook")
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_EVENT", "metaflow")
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT", "sensor")


def test_deploying_says_what_starts_runs_and_what_does_not_any_more(flow: Path) -> None:
    deployed = mfhera("deploy", flow)
    assert "  it runs by itself at 0 * * * * (UTC), unless the run before has not ended\n" in deployed.stdout
    assert TOLD in deployed.stdout
    [listed] = json.loads(mfhera("list", "--json").stdout)
    assert [each["event"] for each in listed["triggers"]] == ["data", "metaflow.Up.end"]
    assert listed["triggers"][0]["parameters"] == {"Rows": "rows"}
    assert listed["schedule"]["concurrency_policy"] == "Forbid"
    assert "0 * * * * (UTC), data, metaflow.Up.end" in mfhera("list").stdout

    flow.write_text("\n".join(line for line in FLOW.splitlines() if not line.startswith("@trigger")))
    again = mfhera("deploy", flow)
    assert "  its triggers were removed: it ran by itself when all of this has come" in again.stdout


def test_an_event_is_published_listed_and_seen_by_what_it_started(flow: Path) -> None:
    flow.write_text("\n".join(line for line in FLOW.splitlines() if not line.startswith(("@trigger_on", "@schedule"))))
    mfhera("deploy", flow)
    identity = mfhera(
        "event", "publish", "data", "--payload", "text=a=b", "--payload-json", '{"rows": 7}'
    ).stdout.strip()
    listed = json.loads(mfhera("event", "list", "--json").stdout)
    [event] = [each for each in listed if not each["name"].startswith("metaflow.")]
    assert (event["name"], event["payload"]["id"]) == ("data", identity)
    assert (event["payload"]["rows"], event["payload"]["text"]) == (7, "a=b")
    [run] = event["runs"]
    assert run in mfhera("event", "list").stdout
    status = mfhera("status", run)
    assert "  started by the event data\n  --Rows 7\n" in status.stdout
    facts = json.loads(mfhera("status", run, "--json").stdout)["parameters"]
    assert facts["Rows"] == "7"
    assert json.loads(facts["mfhera-event-0"])["rows"] == 7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--payload", "rows"], "--payload 'rows': write NAME=TEXT"),
        (["--payload-json", "[1]"], "--payload-json must be a JSON object, {…}, not '[1]'"),
        (["--payload-json", "{"], "--payload-json: "),
        (["--payload", "name=other"], "cannot have a field 'name' with 'other'"),
        (["--backend", "kubernetes"], "there is no address to publish it at"),
    ],
)
def test_an_event_that_cannot_be_is_refused(flow: Path, words: list[str], told: str) -> None:
    done = mfhera("event", "publish", "data", *words)
    assert done.code != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_event_goes_to_the_webhook_if_there_is_one(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_webhook() as webhook:
        monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url)
        identity = mfhera("event", "publish", "data", "--payload", "rows=7").stdout.strip()
        [event] = webhook.events
    assert event["payload"]["id"] == identity
    assert event["payload"]["rows"] == "7"
    assert mfhera("event", "list").stdout == ""


def test_the_events_of_a_cluster_are_not_ours_to_list(flow: Path) -> None:
    done = mfhera("event", "list", "--backend", "kubernetes")
    assert done.code == 2
    assert "Argo Events, which keeps no list of them" in done.stderr


def test_compile_writes_all_objects(flow: Path, tmp_path: Path, source: None) -> None:
    done = mfhera("compile", flow, "-o", tmp_path / "out")
    assert done.code == 0, done.stderr
    kinds = {file.name: load(file.read_text())[0]["kind"] for file in (tmp_path / "out").iterdir()}
    assert kinds == {
        "waiting-cronworkflow.yaml": "CronWorkflow",
        "waiting-sensor.yaml": "Sensor",
        "waiting-workflowtemplate.yaml": "WorkflowTemplate",
    }
    documents = json.loads(call(flow, "argo-workflows", "create", "--only-json").stdout)
    assert [document["kind"] for document in documents] == ["WorkflowTemplate", "CronWorkflow", "Sensor"]


def test_compile_names_the_settings_that_a_sensor_needs(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_EVENT_NAME", "metaflow")
    done = mfhera("compile", flow)
    assert done.code == 2
    told = (
        "set MFHERA_EVENT_SOURCE or METAFLOW_ARGO_EVENTS_EVENT_SOURCE, "
        "MFHERA_SENSOR_SERVICE_ACCOUNT or METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT, which are"
    )
    assert told in done.stderr
    assert done.stdout == ""


def test_a_password_in_the_address_of_the_webhook_does_not_get_into_a_manifest(
    flow: Path, source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_EVENTS_URL", "https://user:secret@events.example.org/")
    done = mfhera("compile", flow)
    assert done.code == 2
    assert "put MFHERA_EVENTS_URL into a Kubernetes Secret and name that in MFHERA_POD_SECRETS" in done.stderr
    assert "secret@" not in done.stdout + done.stderr


def test_pods_get_the_address_as_they_see_it_and_publish_unless_told_not_to(
    flow: Path, source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_WEBHOOK_URL", "https://events.example.org/")
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_INTERNAL_WEBHOOK_URL", "http://events:12000/")
    template = json.loads(mfhera("compile", flow, "--json").stdout)[0]
    silent = json.loads(mfhera("compile", flow, "--json", "--no-auto-emit-argo-events").stdout)[0]
    for document, publishes in ((template, True), (silent, False)):
        [container] = [each["container"] for each in document["spec"]["templates"] if each["name"] == "end"]
        env = {each["name"]: each["value"] for each in container["env"]}
        assert env["MFHERA_EVENTS_URL"] == "http://events:12000/"
        assert ("metaflow.Waiting.end" in container["args"]) == publishes
