"""Events that start runs on the embedded engine, with a clock of the test's own and without a process of its own."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from engine_plans import chain, container, plan

from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import PodOutcome
from metaflow_hera.engine.sensors import Sensors
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.triggering import KEPT, TriggeringState
from metaflow_hera.errors import EventError, ManifestError
from metaflow_hera.event_names import flow_event
from metaflow_hera.event_queue import LIMIT, EventQueue
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Parameter, Plan, Reset, Triggers
from metaflow_hera.records.events import Awaited, stamped


@dataclass
class Place:
    """A database, a queue, and what is deployed there: plans by their manifests."""

    state: TriggeringState
    queue: EventQueue
    plans: dict[str, Plan]

    def deploy(self, name: str, *events: Awaited, manifest: str = "", resets: tuple[Reset, ...] = ()) -> None:
        manifest = manifest or f"{name} {Annotations.TRIGGERS}"
        made = plan(chain("a"), container("x"), parameters=(Parameter(name="alpha", value="0.5"), Parameter(name="b")))
        self.plans[manifest] = replace(made, triggers=Triggers(events=events, resets=resets) if events else None)
        self.fire()
        self.state.deploy(name, manifest, 0.0)
        self.fire()

    def publish(self, name: str, at: float = 1.0, **payload: object) -> None:
        number = len(self.state.published(10_000))
        self.state.add_event(f"key-{number}", name, json.dumps(stamped(name, payload, at)), at)

    def fire(self) -> list[StoredRun]:
        """Let all events be handled by somebody who has only just come; the runs that there are, the oldest first."""
        Sensors(self.state, self.queue, self._read).fire(100.0)
        return [run for run in self.state.runs()][::-1]

    def _read(self, manifest: str) -> Plan:
        if manifest not in self.plans:
            raise ManifestError("'sidecars' is not in our subset of Argo")
        return self.plans[manifest]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(TriggeringState.open(tmp_path / "state.sqlite3")) as state:
        yield Place(state, EventQueue(tmp_path / "events"), {})


def deployments(runs: list[StoredRun]) -> list[str]:
    return [run.deployment for run in runs]


def test_an_event_starts_a_run_with_its_payload_and_no_other_event_does(place: Place) -> None:
    place.deploy("wf", Awaited(name="data"))
    place.publish("other")
    place.publish("data", alpha=3)
    [run] = place.fire()
    assert run.workflow.startswith("wf-")
    assert {name: run.parameters[name] for name in ("alpha", "b")} == {"alpha": "0.5", "b": "<none>"}
    assert json.loads(run.parameters["mfhera-event-0"])["alpha"] == 3
    assert run.created == 100.0


def test_an_event_starts_every_deployment_that_waits_for_it_and_each_once(place: Place) -> None:
    for name in ("one", "two"):
        place.deploy(name, Awaited(name="data"))
    place.publish("data")
    assert deployments(place.fire()) == ["one", "two"]
    assert len(place.fire()) == 2


def test_a_run_starts_when_all_events_have_come_in_whatever_order_and_then_all_must_come_again(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("b", n=1)
    assert place.fire() == []
    place.publish("a", n=2)
    [run] = place.fire()
    assert [json.loads(run.parameters[f"mfhera-event-{place}"])["n"] for place in (0, 1)] == [2, 1]
    place.publish("a")
    assert len(place.fire()) == 1
    place.publish("b")
    assert len(place.fire()) == 2


def test_of_several_events_for_one_place_the_latest_counts(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    for number in range(3):
        place.publish("a", n=number)
    place.publish("b")
    [run] = place.fire()
    assert json.loads(run.parameters["mfhera-event-0"])["n"] == 2


def test_an_event_without_a_field_that_a_required_parameter_needs_is_none(place: Place) -> None:
    place.deploy("wf", Awaited(name="data", parameters={"b": "rows"}, required=("rows",)))
    place.publish("data")
    assert place.fire() == []
    place.publish("data", rows=None)
    assert len(place.fire()) == 1


END = flow_event("Up", "end", "fraud", "test.x")


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        ({"auto-generated-by-metaflow": "True", "project_name": "fraud", "branch_name": "test.x"}, True),
        ({"auto-generated-by-metaflow": True, "project_name": "fraud", "branch_name": "test.x"}, True),
        ({"project_name": "fraud", "branch_name": "test.x"}, False),
        ({"auto-generated-by-metaflow": "True", "project_name": "fraud", "branch_name": "prod"}, False),
        ({"auto-generated-by-metaflow": "True", "branch_name": "test.x"}, False),
    ],
)
def test_the_end_of_a_flow_is_told_from_events_that_only_have_its_name(
    place: Place, payload: dict[str, object], starts: bool
) -> None:
    place.deploy("wf", Awaited(name=END, flow="Up", project="fraud", branch="test.x"))
    place.publish(END, **payload)
    assert len(place.fire()) == starts


def test_what_came_before_a_reset_is_forgotten_and_what_came_after_is_not(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"), resets=(Reset(cron="0 * * * *"),))
    place.publish("a", at=3599.0)
    place.publish("b", at=3601.0)
    assert place.fire() == []
    place.publish("a", at=7199.0)
    [run] = place.fire()
    assert json.loads(run.parameters["mfhera-event-0"])["timestamp"] == 7199


def test_what_was_received_stays_when_the_same_triggers_are_deployed_again(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("a")
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"), manifest=f"newer {Annotations.TRIGGERS}")
    place.publish("b")
    [run] = place.fire()
    assert run.manifest == ""
    stored = place.state.run(run.workflow)
    assert stored is not None
    assert stored.manifest.startswith("newer")


@pytest.mark.parametrize("events", [(Awaited(name="b"), Awaited(name="a")), (Awaited(name="c"), Awaited(name="b")), ()])
def test_what_was_received_for_other_triggers_is_forgotten(place: Place, events: tuple[Awaited, ...]) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("a")
    place.deploy("wf", *events, manifest=f"newer {Annotations.TRIGGERS}")
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("b")
    assert place.fire() == []


def test_an_event_is_for_what_was_deployed_when_it_was_published(place: Place) -> None:
    place.deploy("early", Awaited(name="a"))
    place.publish("a")
    place.deploy("late", Awaited(name="a"))
    assert deployments(place.fire()) == ["early"]


def test_a_deployment_that_is_deleted_starts_nothing_and_forgets_what_it_received(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("a")
    place.fire()
    place.state.delete("wf")
    place.fire()
    place.publish("b")
    place.deploy("wf", Awaited(name="a"), Awaited(name="b"))
    place.publish("b")
    assert place.fire() == []


def test_a_deployment_that_cannot_be_read_does_not_keep_others_from_their_events(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.deploy("lost", Awaited(name="a"), resets=(Reset(cron="0 * * * *", timezone="Atlantis/Capital"),))
    place.state.deploy("newer", f"unreadable {Annotations.TRIGGERS}", 0.0)
    place.deploy("wf", Awaited(name="a"))
    place.publish("a")
    assert deployments(place.fire()) == ["wf"]
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "no event starts newer: 'sidecars'" in told
    assert "no event starts lost: there is no time zone 'Atlantis/Capital'" in told


def test_events_come_by_the_queue_in_their_order_and_a_file_that_is_none_is_put_away(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.deploy("wf", Awaited(name="a"))
    for number in range(3):
        place.queue.put("a", stamped("a", {"n": number, "text": "ü {{x}} \U0001f600\x00\u2028"}, 1.0))
    for name, content in {
        "0.json": b"\xff",
        "1.json": b"[]",
        "2.json": b'{"name": "a", "payload": "[1]", "at": 1}',
    }.items():
        (place.queue.folder / name).write_bytes(content)
    payloads = [json.loads(run.parameters["mfhera-event-0"]) for run in place.fire()]
    assert [payload["n"] for payload in payloads] == [0, 1, 2]
    assert payloads[0]["text"] == "ü {{x}} \U0001f600\x00\u2028"
    assert place.queue.waiting() == []
    assert sum("holds no event" in record.getMessage() for record in caplog.records) == 3


def test_a_file_that_was_taken_in_before_a_death_is_the_same_event_afterwards(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"))
    place.queue.put("a", stamped("a", {}, 1.0))
    [file] = place.queue.waiting()
    content = file.read_bytes()
    place.fire()
    file.write_bytes(content)
    assert len(place.fire()) == 1


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"x": {1}}, "cannot be written as JSON"),
        ({"x": float("nan")}, "cannot be written as JSON"),
        ({"x": "\ud800"}, "cannot be written as JSON"),
        ({"x": functools.reduce(lambda inner, _: [inner], range(100_000))}, "cannot be written as JSON"),
        ({"x": "ü" * LIMIT}, "its payload has 524,2"),
    ],
)
def test_what_cannot_be_an_event_is_refused_and_leaves_nothing(
    place: Place, payload: dict[str, object], told: str
) -> None:
    with pytest.raises(EventError, match=told):
        place.queue.put("a", payload)
    assert place.queue.waiting() == []


def test_a_queue_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EventError, match=r"event 'a' cannot be left in .*file/events: Not a directory"):
        EventQueue(tmp_path / "file/events").put("a", {})


def test_the_end_of_a_pod_publishes_in_one_change_with_it(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"))
    run = StoredRun(workflow="up-x", deployment="up", flow="Up", manifest="up", created=0.0)
    place.state.add_run(run)
    outcome = PodOutcome(phase=Phase.SUCCEEDED)
    for _ in range(2):
        place.state.end_pod(1, "up-x.a", outcome, 1.0, {"a": json.dumps(stamped("a", {}, 1.0))})
    assert deployments(place.fire()) == ["up", "wf"]


def test_old_events_are_forgotten_unless_something_came_of_them(place: Place) -> None:
    place.deploy("wf", Awaited(name="a"))
    place.deploy("two", Awaited(name="wanted"), Awaited(name="never"))
    place.publish("a")
    place.publish("wanted")
    for number in range(KEPT + 300):
        place.state.add_event(f"n{number}", "noise", json.dumps(stamped("noise", {}, 1.0)), 1.0)
    place.fire()
    kept = place.state.published(10 * KEPT)
    assert KEPT <= len(kept) < KEPT + 300
    assert [event.name for event in kept[-2:]] == ["wanted", "a"]
    assert kept[-1].runs
    assert kept[-2].awaiting == ("two",)


def test_processes_that_are_killed_while_they_handle_events_lose_none_and_start_nothing_twice(tmp_path: Path) -> None:
    count = 150
    file, queue = tmp_path / "state.sqlite3", EventQueue(tmp_path / "events")
    with closing(TriggeringState.open(file)) as state:
        place = Place(state, queue, {})
        place.deploy("one", Awaited(name="a"))
        place.deploy("two", Awaited(name="a"), Awaited(name="b"))
        plans = place.plans
    for number in range(count):
        queue.put("a", stamped("a", {"n": number}, 1.0))
        queue.put("b", stamped("b", {"n": number}, 1.0))
    kills = 0
    while kills < 100 and queue.waiting():
        kills += _killed(lambda: _fire(file, queue, plans))
    with closing(TriggeringState.open(file)) as state:
        runs = Place(state, queue, plans).fire()
    for name in ("one", "two"):
        numbers = [json.loads(run.parameters["mfhera-event-0"])["n"] for run in runs if run.deployment == name]
        assert sorted(numbers) == list(range(count)), name
    assert kills, "nobody was killed"


def _fire(file: Path, queue: EventQueue, plans: dict[str, Plan]) -> None:
    with closing(TriggeringState.open(file)) as state:
        Place(state, queue, plans).fire()


def _killed(work: Callable[[], None]) -> bool:
    """Do it in a process that is killed after a few milliseconds, if it takes so long; whether it was."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(random.uniform(0.0, 0.008))
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
