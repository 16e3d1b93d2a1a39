"""Flows that start flows on the embedded engine: real flows, real processes, and engines that are killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from backend_plans import wait_for

from metaflow_hera import Run, deploy
from metaflow_hera.backends import Phase, RunStatus
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.backends.engine_control import engine_status, home_of, stop_engine
from metaflow_hera.deploy import DeployedFlow
from metaflow_hera.deploy.events import events, publish_event
from metaflow_hera.errors import FlowError
from metaflow_hera.settings import Settings

HEAD = """
import json, os, time
from metaflow_hera import FlowSpec, JSONType, Parameter, current, project, retry, schedule, step, trigger
from metaflow_hera import trigger_on_finish
from metaflow_hera.integrations import ArgoEvent


"""

UP = """
@project(name="fraud")
class Up(FlowSpec):
    rows = Parameter("rows", default=3)

    @step
    def start(self):
        self.doubled = self.rows * 2
        self.next(self.last)

    @step(end=True)
    def last(self):
        pass
"""

DOWN = """
@trigger_on_finish(flow="Up")
@project(name="fraud")
class Down(FlowSpec):
    @step
    def start(self):
        self.of = current.trigger.run.pathspec
        self.doubled = current.trigger.run.data.doubled
        self.next(self.end)

    @step
    def end(self):
        self.kinds = [(event.name, event.type) for event in current.trigger]
"""

HOSTILE: dict[str, Any] = {
    "quotes": 'it\'s a "quoted" `value`',
    "newlines": "a\nb\r\n\tc\n",
    "references": "{{workflow.name}} {{=1+1}} {{inputs.parameters.x}} {{ open $(HOME) $HOME ${HOME} %s",
    "shell": "; rm -rf / #'\"\\",
    "unicode": "Ünï 中文 \U0001f600 \u202e",
    "control": "".join(map(chr, range(1, 32))) + "\x7f",
    "long": "x" * 50_000,
    "empty": "",
    "document": '{"a": [1, null]}',
}


@pytest.fixture
def settings(embedded_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MFHERA_DATA_DIR", embedded_settings.data_dir)
    return Settings.load()


def deployed(tmp_path: Path, source: str, **options: Any) -> DeployedFlow:
    name = source.partition("class ")[2].partition("(")[0]
    file = tmp_path / f"{name}.py"
    file.write_text(HEAD + source)
    return deploy(file, **options)


def ended(settings: Settings, deployment: str, count: int = 1) -> list[RunStatus]:
    """The runs of a deployment, the oldest first, when so many have ended."""
    backend = EmbeddedBackend(settings)

    def found() -> list[RunStatus]:
        return [status for status in backend.runs(deployment) if status.phase.is_final]

    wait_for(lambda: len(found()) >= count)
    return found()[::-1]


def run_of(status: RunStatus) -> Run:
    assert status.phase is Phase.SUCCEEDED, status.message
    return Run(f"{status.flow}/{status.run}", namespace_check=False)


@pytest.mark.parametrize(
    ("options", "branch"), [({"branch": "x"}, "test.x"), ({"production": True}, "prod"), ({}, "user.tester")]
)
def test_the_end_of_a_run_starts_the_flow_of_its_project_and_branch(
    settings: Settings, tmp_path: Path, options: dict[str, Any], branch: str
) -> None:
    up, down = deployed(tmp_path, UP, **options), deployed(tmp_path, DOWN, **options)
    elsewhere = deployed(tmp_path, DOWN, branch="elsewhere")
    upstream = up.trigger(rows=21).wait(timeout=120)
    [status] = ended(settings, down.name)
    run = run_of(status)
    assert (run.data.of, run.data.doubled) == (upstream.pathspec, 42)
    assert run.data.kinds == [(f"metaflow.fraud.{branch}.Up.end", "run")]
    assert run.trigger is not None
    assert run.trigger.run == upstream
    assert list(EmbeddedBackend(settings).runs(elsewhere.name)) == []


def test_a_run_that_fails_starts_nothing_and_every_step_that_succeeded_has_told(
    settings: Settings, tmp_path: Path
) -> None:
    up = deployed(tmp_path, UP.replace("def last(self):\n        pass", "def last(self):\n        raise ValueError"))
    down = deployed(tmp_path, DOWN)
    up.trigger().wait(timeout=120, check=False)
    assert [event.name for event in events(settings, 10)] == ["metaflow.fraud.user.tester.Up.start"]
    assert list(EmbeddedBackend(settings).runs(down.name)) == []


BOTH = """
@trigger(events=[{"name": "data", "parameters": {"Text": "text", "Number": "number"}}, "go"])
@trigger_on_finish(flow="Up")
@project(name="fraud")
class Both(FlowSpec):
    Text = Parameter("Text", required=True)
    Number = Parameter("Number", default=1)
    rest = Parameter("rest", default="as it was")

    @step
    def start(self):
        self.got = [self.Text, self.Number, self.rest]
        self.names = sorted(event.name for event in current.trigger)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_both_decorators_together_wait_for_all_of_their_events(settings: Settings, tmp_path: Path) -> None:
    up, both = deployed(tmp_path, UP), deployed(tmp_path, BOTH)
    publish_event("data", ["text=first"], '{"number": 7}', settings)
    publish_event("go", [], None, settings)
    publish_event("data", [], '{"number": 8}', settings)
    assert list(EmbeddedBackend(settings).runs(both.name)) == []
    up.trigger().wait(timeout=120)
    run = run_of(ended(settings, both.name)[0])
    assert run.data.got == ["first", 7, "as it was"], "an event without the required field is none"
    assert run.data.names == ["data", "go", "metaflow.fraud.user.tester.Up.end"]


ANY = """
@trigger(event="anything")
class Any(FlowSpec):
PARAMETERS
    @step
    def start(self):
        self.got = {NAMES}
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_hostile_values_arrive_byte_for_byte_from_a_step_that_publishes_them(
    settings: Settings, tmp_path: Path
) -> None:
    declared = "\n".join(f"    {name} = Parameter({name!r}, default='d')" for name in HOSTILE)
    got = ", ".join(f"{name!r}: self.{name}" for name in HOSTILE)
    waits = deployed(tmp_path, ANY.replace("PARAMETERS", declared).replace("NAMES", got))
    publishes = deployed(
        tmp_path,
        f"""
class Publishes(FlowSpec):
    @step
    def start(self):
        self.id = ArgoEvent("anything", payload=json.loads({json.dumps(HOSTILE)!r})).publish(ignore_errors=False)
        self.next(self.end)

    @step
    def end(self):
        pass
""",
    )
    publisher = publishes.trigger().wait(timeout=120)
    run = run_of(ended(settings, waits.name)[0])
    assert run.data.got == HOSTILE
    assert run.trigger is not None
    assert [event.id for event in run.trigger] == [publisher.data.id]


def test_an_engine_that_is_killed_between_events_starts_each_run_once(settings: Settings, tmp_path: Path) -> None:
    up, down = deployed(tmp_path, UP), deployed(tmp_path, DOWN)
    for number in range(3):
        up.trigger(rows=number)
        wait_for(lambda: engine_status(settings).pid is not None)
        pid = engine_status(settings).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: engine_status(settings).pid != pid)  # it holds its lock until the system has ended it
    up.trigger(rows=3)  # starts an engine again
    statuses = ended(settings, down.name, count=4)
    assert sorted(run_of(status).data.doubled for status in statuses) == [0, 2, 4, 6]
    assert len(list(EmbeddedBackend(settings).runs(down.name))) == 4


def test_an_event_starts_the_engine_and_waits_for_it_if_it_has_to(settings: Settings, tmp_path: Path) -> None:
    waits = deployed(
        tmp_path, ANY.replace("PARAMETERS", "    n = Parameter('n', default=0)").replace("NAMES", "1: self.n")
    )
    stop_engine(settings)
    identity = publish_event("anything", ["n=3"], None, settings)
    run = run_of(ended(settings, waits.name)[0])
    assert run.data.got == {1: 3}
    [event] = [each for each in events(settings, 10) if each.name == "anything"]
    assert event.fields["id"] == identity
    assert [f"argo-{workflow}" for workflow in event.runs] == [run.id]


def test_an_event_that_waits_is_for_what_was_deployed_then_also_if_nobody_was_there_to_see_it(
    settings: Settings, tmp_path: Path
) -> None:
    source = ANY.replace("PARAMETERS", "    n = Parameter('n', default=0)").replace("NAMES", "1: self.n")
    waits = deployed(tmp_path, source)
    stop_engine(settings)
    home_of(settings).events.put("anything", {"name": "anything", "n": 3})
    late = deployed(tmp_path, source.replace("class Any", "class Late"))
    assert run_of(ended(settings, waits.name)[0]).data.got == {1: 3}
    assert list(EmbeddedBackend(settings).runs(late.name)) == []


def test_looking_at_events_loses_none_where_there_is_no_database_yet(settings: Settings) -> None:
    assert events(settings, 10) == []
    home_of(settings).events.put("anything", {"name": "anything"})
    assert [[event.name for event in events(settings, 10)] for _ in range(2)] == [["anything"], ["anything"]]


def test_a_flow_that_is_deployed_again_without_triggers_is_started_by_no_event(
    settings: Settings, tmp_path: Path
) -> None:
    waits = deployed(tmp_path, ANY.replace("PARAMETERS", "").replace("{NAMES}", "1"))
    again = deployed(tmp_path, ANY.replace("PARAMETERS", "").replace("{NAMES}", "1").replace("@trigger(", "# ("))
    assert again.name == waits.name
    assert again.previous_triggers is not None
    publish_event("anything", [], None, settings)
    assert [event.runs for event in events(settings, 10)] == [()]


def test_tasks_publish_nothing_if_they_are_told_not_to(settings: Settings, tmp_path: Path) -> None:
    from metaflow_hera.deploy.choices import Choices
    from metaflow_hera.deploy.deployment import deploy_checked
    from metaflow_hera.deploy.source import check_flow

    file = tmp_path / "up.py"
    file.write_text(HEAD + UP)
    deploy_checked(check_flow(file), Choices(publishes=False), settings).trigger().wait(timeout=120)
    assert events(settings, 10) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({'"Text": "text", ': ""}, "parameter 'Text' has no default, and none of the events that start a run gives it"),
        ({'"Number": "number"': '"number": "number"'}, "gives parameter 'number', which the flow does not have"),
        ({'flow="Up"': 'flow="p.Up"'}, "'p.Up' is no flow"),
        ({'Parameter("rest"': 'Parameter("mfhera-rest"'}, "'mfhera-rest' begins like those of metaflow-hera itself"),
        ({'flow="Up"': 'flow="Up", options={"reset_at": {"cron": "0 0 L * ? *"}}'}, "has 'L'"),
    ],
)
def test_what_cannot_be_is_refused_when_the_flow_is_deployed(
    settings: Settings, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    source = BOTH
    for before, after in changes.items():
        assert before in source
        source = source.replace(before, after)
    with pytest.raises(FlowError, match=told):
        deployed(tmp_path, source)
    assert list(EmbeddedBackend(settings).deployments()) == []
