"""What is done when a run on the embedded engine has ended: its end is written, people are told, hooks are called."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from backend_plans import one_step

from metaflow_hera import deploy
from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends.engine import read_plan
from metaflow_hera.backends.engine_control import home_of
from metaflow_hera.deploy import DeployedFlow
from metaflow_hera.deploy.exit_logs import read_exit_logs
from metaflow_hera.engine.daemon import Engine, Limits
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.records import runs
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

FLOW = """
import os
from metaflow_hera import Flow, FlowSpec, Parameter, exit_hook, get_namespace, step


def well(run):
    print("well", run.pathspec, run.successful, run.finished, run.data.fails)


def slack():
    print("a function called slack")


def badly(run):
    print("badly", run.pathspec, run.finished, run.successful, Flow("EndFlow")[run.id].id == run.id)


def breaking():
    raise ValueError("the hook broke")


def dying():
    os.kill(os.getpid(), 9)


def elsewhere(**facts):
    print("elsewhere", sorted(facts), get_namespace())


@exit_hook(on_success=[breaking, dying, well, slack], on_error=[badly])
@exit_hook(on_success=[elsewhere], options={"image": "python:3.12-slim"})
class EndFlow(FlowSpec):
    fails = Parameter("fails", default=False)

    @step
    def start(self):
        if self.fails:
            raise OSError("the step broke <!channel> `x` & {{y}}")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def deployed(tmp_path: Path, settings: Settings, source: str = FLOW, **options: Any) -> DeployedFlow:
    folder = tmp_path / "flow"
    folder.mkdir(exist_ok=True)
    (folder / "the_flow.py").write_text(source)
    return deploy(folder / "the_flow.py", settings=settings, **options)


def exit_log(run: str, settings: Settings) -> str:
    lines = read_exit_logs(f"EndFlow/{run}", settings, ("stdout", "stderr"))
    return "\n".join(line.text for line in lines)


@dataclass
class Service:
    """Takes what would go to Slack, PagerDuty and incident.io; *answers* are statuses, the last one for good."""

    url: str
    answers: list[int] = field(default_factory=lambda: [202])
    posts: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.posts.append((self.path, body, dict(self.headers)))
            status = made.answers[0] if len(made.answers) == 1 else made.answers.pop(0)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(f"said: no {made.url}{self.path}".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Service(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def channels(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment that the engine is started with."""
    monkeypatch.setenv("MFHERA_SLACK_WEBHOOK_URL", f"{service.url}/services/planted-slack")
    monkeypatch.setenv("MFHERA_PAGER_DUTY_INTEGRATION_KEY", "planted-pager")
    monkeypatch.setenv("MFHERA_PAGER_DUTY_URL", service.url)
    monkeypatch.setenv("MFHERA_INCIDENT_IO_API_KEY", "planted-incident")
    monkeypatch.setenv("MFHERA_INCIDENT_IO_URL", service.url)


@pytest.fixture
def settings(channels: None, embedded_settings: Settings) -> Settings:
    """With the channels: *embedded_settings* may be older."""
    return Settings.load({"data_dir": embedded_settings.data_dir, "backend": "embedded"})


def test_hooks_of_a_success_are_called_in_order_and_what_breaks_changes_nothing(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    flow = deployed(tmp_path, embedded_settings)
    run = flow.trigger().wait(timeout=60, check=False)

    assert run.successful
    production = f"production:{flow.production_namespace}"
    log = exit_log(run.id, embedded_settings)
    assert f"well EndFlow/{run.id} True True False" in log
    assert "ValueError: the hook broke" in log
    assert "the exit hook breaking failed; the run stays as it is" in log
    assert "the exit hook dying was killed by signal 9; the run stays as it is" in log
    assert f"elsewhere ['run'] {production}" in log
    assert "badly" not in log


def test_hooks_of_a_failure_are_called_when_its_end_is_written(tmp_path: Path, embedded_settings: Settings) -> None:
    run = deployed(tmp_path, embedded_settings).trigger(fails=True).wait(timeout=60, check=False)

    assert not run.successful
    assert exit_log(run.id, embedded_settings) == f"badly EndFlow/{run.id} True False True"
    end = runs.read_end(open_store(embedded_settings.datastore, embedded_settings), "EndFlow", run.id)
    assert end
    assert end.message.startswith("step 'start', task 0: OSError: the step broke")


def test_what_exit_hooks_ask_of_a_cluster_is_told_at_deploying(tmp_path: Path, embedded_settings: Settings) -> None:
    told: list[str] = []
    deployed(tmp_path, embedded_settings, ttl=60, pod_gc="OnPodSuccess", tell=told.append)
    wishes = "without image python:3.12-slim (of exit-hooks), ttl (runs stay), pod_gc"
    assert [text for text in told if text.endswith(wishes)]


def test_a_flow_that_cannot_be_imported_any_more_still_ends(tmp_path: Path, embedded_settings: Settings) -> None:
    source = "import os\nif os.environ.get('MFHERA_POD_DIR'): raise RuntimeError('not here')\n" + FLOW
    run = deployed(tmp_path, embedded_settings, source).trigger().wait(timeout=60, check=False)

    assert not run.successful
    assert "the exit hooks cannot be called" in exit_log(run.id, embedded_settings)


def test_a_flow_without_hooks_has_no_exit_log(tmp_path: Path, embedded_settings: Settings) -> None:
    source = FLOW.replace("@exit_hook(", "_ = dict(").replace("\nclass", "\n\nclass")
    run = deployed(tmp_path, embedded_settings, source).trigger().wait(timeout=60, check=False)

    assert run.successful
    with pytest.raises(UnknownRunError, match="it has no exit hooks and told nobody"):
        exit_log(run.id, embedded_settings)


def test_why_there_is_no_exit_log_is_told(tmp_path: Path, embedded_settings: Settings) -> None:
    source = FLOW.replace("self.next", "import time; time.sleep(60 if self.fails else 0); self.next")
    source = source.replace("raise OSError", "print")
    flow = deployed(tmp_path, embedded_settings, source)
    run = flow.trigger(fails=True)
    with pytest.raises(UnknownRunError, match=r"it has not ended yet: it is (Pending|Running)"):
        exit_log(run.run_id, embedded_settings)
    run.terminate()
    run.wait_for_completion(check_interval=0.1, timeout=60)
    with pytest.raises(UnknownRunError, match="it was terminated, and Argo runs no exit step then"):
        exit_log(run.run_id, embedded_settings)


def test_hooks_that_are_for_other_ends_are_told_apart_from_an_exit_step_that_could_not_write(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    source = FLOW.replace(", on_error=[badly]", "")
    run = deployed(tmp_path, embedded_settings, source).trigger(fails=True).wait(timeout=60, check=False)
    with pytest.raises(UnknownRunError, match="none of its exit hooks is for a run that ends as Failed, or its exit"):
        exit_log(run.id, embedded_settings)


def test_people_are_told_of_a_failure_by_every_channel(tmp_path: Path, settings: Settings, service: Service) -> None:
    flow = deployed(
        tmp_path,
        settings,
        notify_on_error=True,
        incident_io_alert_source_config_id="source/1",
        incident_io_metadata={"team": "a=b"},
    )
    run = flow.trigger(fails=True).wait(timeout=60, check=False)

    slack, pager, incident = service.posts
    key = f"EndFlow/{run.id}"
    assert slack[0] == "/services/planted-slack"
    assert slack[1]["text"] == f":rotating_light: {key} failed"
    said = slack[1]["blocks"][0]["text"]["text"]
    assert "OSError: the step broke &lt;!channel&gt; ˋxˋ &amp; {{y}}" in said
    assert pager[0] == "/v2/enqueue"
    assert (pager[1]["routing_key"], pager[1]["event_action"], pager[1]["dedup_key"]) == (
        "planted-pager",
        "trigger",
        key,
    )
    assert pager[1]["payload"]["severity"] == "critical"
    assert pager[1]["payload"]["custom_details"]["status"] == "Failed"
    assert "the step broke <!channel>" in pager[1]["payload"]["summary"]
    assert incident[0] == "/v2/alert_events/http/source%2F1"
    assert incident[2]["Authorization"] == "Bearer planted-incident"
    assert (incident[1]["status"], incident[1]["deduplication_key"]) == ("firing", key)
    assert incident[1]["metadata"]["team"] == "a=b"
    manifest = json.dumps(manifests(flow.plan))
    assert "planted" not in manifest + exit_log(run.id, settings)


def test_people_are_told_of_a_success_only_where_that_is_wanted(
    tmp_path: Path, settings: Settings, service: Service
) -> None:
    assert deployed(tmp_path, settings, notify_on_error=True).trigger().wait(timeout=60, check=False).successful
    assert service.posts == []

    flow = deployed(tmp_path, settings, notify_on_success=True, incident_io_alert_source_config_id="s")
    run = flow.trigger().wait(timeout=60, check=False)
    assert run.successful

    slack, pager, incident = service.posts
    assert "a function called slack" in exit_log(run.id, settings)
    assert slack[1]["text"].startswith(":white_check_mark:")
    assert pager[0] == "/v2/change/enqueue"
    assert "event_action" not in pager[1]
    assert incident[1]["status"] == "resolved"


@pytest.mark.parametrize(
    ("answers", "posts", "told"),
    [
        ([503, 429, 202], 3, "Slack was told how the run ended"),
        ([404], 1, "Slack was not told how the run ended: HTTP 404 said: no (secret)"),
        ([302], 1, "Slack was not told how the run ended: HTTP 302"),
    ],
)
def test_a_message_is_sent_again_while_that_may_help(
    tmp_path: Path,
    embedded_settings: Settings,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[int],
    posts: int,
    told: str,
) -> None:
    service.answers = answers
    secret = f"{service.url}/services/T/planted-slack"
    monkeypatch.setenv("MFHERA_SLACK_WEBHOOK_URL", secret)
    settings = Settings.load({"data_dir": embedded_settings.data_dir, "backend": "embedded"})
    run = deployed(tmp_path, settings, notify_on_error=True).trigger(fails=True).wait(timeout=60, check=False)

    log = exit_log(run.id, settings)
    assert len(service.posts) == posts
    assert told in log
    assert secret not in log


def test_asking_to_tell_nobody_is_refused_before_anything_is_deployed(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    with pytest.raises(UsageError, match="--notify-on-error: nobody would be told, as there is no channel; set any of"):
        deployed(tmp_path, embedded_settings, notify_on_error=True)
    assert not home_of(embedded_settings).database.exists()


def test_the_run_with_the_highest_priority_gets_the_next_free_place(embedded_settings: Settings) -> None:
    home = home_of(embedded_settings)
    home.make()
    started: list[str] = []
    with closing(TriggeringState.open(home.database)) as state:
        for number, priority in enumerate((1, 5, None, 3)):
            plan = one_step("", f"p{number}")
            made = json.dumps(manifests(replace(plan, priority=priority)))
            state.add_run(StoredRun(workflow=f"p{number}", deployment="p", flow="F", manifest=made, created=0.0))
        engine = Engine(home, state, read_plan, Limits(pods=1))
        now = 1.0
        while len(started) < 4:
            engine.turn(now)
            now += 1.0
            for run in state.runs():
                if run.workflow not in started and state.pods(run.number):
                    started.append(run.workflow)
    assert started == ["p1", "p3", "p0", "p2"]
