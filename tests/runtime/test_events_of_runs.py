"""What a run that events started begins with, and the events that its tasks publish in turn."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import RUN, deploy, steps
from hypothesis import given
from hypothesis import strategies as st
from webhook import Webhook, opened_webhook

from metaflow_hera import FlowSpec, JSONType, Parameter, Run
from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import ParameterError
from metaflow_hera.event_names import event_parameter
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.records import runs
from metaflow_hera.records.codec import encode
from metaflow_hera.records.events import Awaited, cause_of, success_events
from metaflow_hera.runtime.events import told_by_events
from metaflow_hera.store import Store

HOSTILE: dict[str, Any] = {
    "empty": "",
    "quotes": "'\"` \\",
    "shell": "$(HOME) ${HOME} $HOME; rm -rf / | `id` && !!",
    "tags": "{{workflow.name}} {{=1+1}} {{x }} {{ open",
    "lines": "one\ntwo\r\nthree\ttab ",
    "unicode": "héllo ☃ 🎈 \u2028 \x00 \x01 \x7f",
    "json": '{"a": [1, "b"]}',
    "large": "é" * 25_000,
}


class Flow(FlowSpec):
    Text = Parameter("Text", default="d")
    number = Parameter("number", default=1)
    share = Parameter("share", default=0.5)
    is_on = Parameter("is_on", default=False)
    words = Parameter("words", default="a", separator=",")
    anything = Parameter("any-thing", type=JSONType, default={})


NAMES = [parameter.name for parameter in parameters_of(Flow).values()]
PLAIN = Awaited(name="data", parameters={name: name for name in NAMES})


SEPARATORS = {parameter.name: parameter.separator for parameter in parameters_of(Flow).values()}


def written(*events: Awaited) -> tuple[str, ...]:
    return tuple(encode(event).decode() for event in events)


def told(payload: object, *events: Awaited, **texts: str) -> dict[str, Any]:
    """The values that a run begins with."""
    raw = payload if isinstance(payload, str) else json.dumps(payload)
    given = told_by_events(written(*(events or (PLAIN,))), SEPARATORS, {event_parameter(0): raw, **texts})
    by_name = {parameter.name: parameter for parameter in parameters_of(Flow).values()}
    return {name: by_name[name].from_text(text) for name, text in given.texts.items()}


TEXTS = st.text(st.characters(blacklist_categories=("Cs",))).filter(lambda text: text != "<none>")
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "Text": TEXTS,
        "number": st.integers(),
        "share": st.floats(allow_nan=False),
        "is_on": st.booleans(),
        "words": st.lists(TEXTS.filter(lambda text: "," not in text), min_size=1, max_size=4),
        "any-thing": DOCUMENTS.filter(lambda value: not isinstance(value, str)),
    },
)


@given(PAYLOADS)
def test_a_field_of_each_type_becomes_that_very_value(payload: dict[str, Any]) -> None:
    assert told(payload) == payload


@given(PAYLOADS)
def test_the_same_is_true_of_texts_as_the_peer_publishes_them(payload: dict[str, Any]) -> None:
    plain = {name: value for name, value in payload.items() if name not in ("any-thing", "words")}
    assert told({name: str(value) for name, value in plain.items()}) == plain


def test_whole_numbers_have_no_limit() -> None:
    assert told({"number": 2**70 + 1})["number"] == 2**70 + 1
    assert told('{"share": 1e400}')["share"] == math.inf


def test_null_is_no_value_and_a_missing_field_leaves_what_was_there() -> None:
    assert told({"Text": None}, number="7") == {"Text": None, "number": 7}


def test_fields_can_have_other_names_than_parameters_and_later_events_go_before_earlier_ones() -> None:
    first = Awaited(name="a", parameters={"number": "rows", "Text": "Name"})
    second = Awaited(name="b", parameters={"number": "count"})
    texts = {event_parameter(0): '{"rows": 1, "Name": "x"}', event_parameter(1): '{"count": 2}', "mfhera-other": "?"}
    assert told_by_events(written(first, second), SEPARATORS, texts).texts == {"number": "2", "Text": "x"}


@pytest.mark.parametrize("payload", ["", "{", "[1]", '"x"', "null", "[" * 100_000])
def test_a_payload_that_is_none_is_named(payload: str) -> None:
    with pytest.raises(ParameterError, match="the payload of the event 'data' "):
        told(payload)


def test_a_run_that_nobody_sent_an_event_has_none() -> None:
    found = told_by_events(written(PLAIN), SEPARATORS, {"Text": "typed"})
    assert (found.texts, found.causes) == ({"Text": "typed"}, ())


def test_a_cause_tells_the_event_or_the_run_behind_it() -> None:
    event = cause_of(PLAIN, {"id": "i", "timestamp": 7}, 9.0)
    assert (event.name, event.id, event.timestamp, event.type) == ("data", "i", 7.0, "event")
    for odd in ({}, {"timestamp": "soon", "id": None}, {"timestamp": True}):
        assert cause_of(PLAIN, odd, 9.0).timestamp == 9.0
    published = success_events(
        TaskCommand(
            flow="Up", file="", step="last", run="r", path="3", store="", publishes=("metaflow.p.test.b.Up.end",)
        ),
        5.0,
    )
    [(name, payload)] = published.items()
    awaited = Awaited(name=name, flow="Up", project="p", branch="test.b")
    assert awaited.is_met_by(name, payload)
    run = cause_of(awaited, payload, 9.0)
    assert (run.name, run.id, run.timestamp, run.type) == (name, "Up/r", 5.0, "run")
    assert payload["pathspec"] == payload["id"] == "Up/r/last/3"


def test_hostile_payloads_arrive_byte_for_byte(directory_store: Store, tmp_path: Path) -> None:
    parameters = "\n".join(f"    {name} = Parameter({name!r})" for name in HOSTILE)
    body = f"self.got = [{', '.join(f'self.{name}' for name in HOSTILE)}]; self.of = current.trigger.event.name"
    source = steps(body).replace(
        "class F(FlowSpec):",
        f"from metaflow_hera import trigger\n@trigger(event='data')\nclass F(FlowSpec):\n{parameters}",
    )
    deployment = deploy(directory_store, tmp_path, source)
    awaited = Awaited(name="data", parameters={name: name for name in HOSTILE})
    payload = json.dumps({"name": "data", "id": "i", "timestamp": 5, **HOSTILE})
    done = deployment.run(
        "start", parameters={event_parameter(0): payload, "empty": "typed"}, events=(encode(awaited).decode(),)
    )
    assert done.code == 0, done.stderr
    assert deployment.artifact("start", "got") == list(HOSTILE.values())
    assert deployment.artifact("start", "of") == "data"
    record = runs.read(directory_store, "F", RUN)
    assert record is not None
    assert [(cause.name, cause.id, cause.timestamp, cause.type) for cause in record.triggers] == [
        ("data", "i", 5.0, "event")
    ]


def test_wrong_values_of_a_payload_fail_the_run_as_wrong_parameters_do(directory_store: Store, tmp_path: Path) -> None:
    source = steps().replace("class F(FlowSpec):", "class F(FlowSpec):\n    n = Parameter('n', type=int)")
    deployment = deploy(directory_store, tmp_path, source)
    awaited = encode(Awaited(name="data", parameters={"n": "n"})).decode()
    done = deployment.run("start", parameters={event_parameter(0): '{"n": {"a": 1}}'}, events=(awaited,))
    assert done.code == 1
    assert "parameter 'n' takes a whole number, not '{\"a\": 1}'" in done.stderr


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with opened_webhook() as opened:
        yield opened


PUBLISHES = ("metaflow.p.prod.F.start", "metaflow.p.prod.F.end")


def test_a_task_that_succeeded_publishes_its_events_and_again_when_it_is_tried_again(
    directory_store: Store, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url)
    deployment = deploy(directory_store, tmp_path, steps())
    for _ in range(2):
        assert deployment.run("start", publishes=PUBLISHES).code == 0
    assert [event["name"] for event in webhook.events] == [*PUBLISHES, *PUBLISHES]
    first, end, again, _ = (event["payload"] for event in webhook.events)
    assert first["id"] == end["id"] == again["id"] == f"F/{RUN}/start/0"
    assert {name: end[name] for name in ("name", "flow_name", "run_id", "step_name", "task_id", "project_name")} == {
        "name": "metaflow.p.prod.F.end",
        "flow_name": "F",
        "run_id": RUN,
        "step_name": "start",
        "task_id": "0",
        "project_name": "p",
    }
    assert (end["branch_name"], end["auto-generated-by-metaflow"]) == ("prod", "True")


def test_a_task_that_failed_publishes_nothing(
    directory_store: Store, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url)
    deployment = deploy(directory_store, tmp_path, steps("raise ValueError"))
    assert deployment.run("start", publishes=PUBLISHES).code == 1
    assert webhook.events == []


@pytest.mark.parametrize("address", ["refusing", "http://127.0.0.1:9/x", "nonsense"])
def test_a_webhook_that_fails_fails_no_task_and_is_told(
    directory_store: Store, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    webhook.answer = 500
    monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url if address == "refusing" else address)
    deployment = deploy(directory_store, tmp_path, steps())
    done = deployment.run("start", publishes=PUBLISHES)
    assert done.code == 0
    assert done.stderr.count("event 'metaflow.p.prod.F.start'") == 1
    assert "flows that wait for it are not started" in done.stderr
    assert deployment.log("stderr", "start").endswith("flows that wait for it are not started\n")
    assert deployment.record("start").status == "succeeded"


def test_on_the_embedded_engine_a_task_leaves_that_to_the_engine(
    directory_store: Store, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_EVENTS_URL", webhook.url)
    monkeypatch.setenv("MFHERA_EVENT_QUEUE", str(tmp_path / "queue"))
    assert deploy(directory_store, tmp_path, steps()).run("start", publishes=PUBLISHES).code == 0
    assert webhook.events == []


def test_a_step_in_a_cluster_without_a_webhook_is_told_that_there_is_no_address(
    directory_store: Store, tmp_path: Path
) -> None:
    body = "from metaflow_hera.integrations import ArgoEvent; self.id = ArgoEvent('data').publish()"
    deployment = deploy(directory_store, tmp_path, steps(body))
    done = deployment.run("start")
    assert done.code == 0
    assert deployment.artifact("start", "id") is None
    assert "event 'data': there is no address to publish it at" in done.stderr


def test_the_client_sees_the_runs_behind_a_run(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps())
    awaited = Awaited(name="metaflow.Up.end", flow="Up")
    event = json.dumps({"name": "metaflow.Up.end", "run_id": "argo-up-x1", "id": "Up/argo-up-x1/end/0"})
    assert deployment.run("start", parameters={event_parameter(0): event}, events=(encode(awaited).decode(),)).code == 0
    run = Run(f"F/{RUN}", store=directory_store, namespace_check=False)
    assert run.trigger is not None
    assert [cause.id for cause in run.trigger] == ["Up/argo-up-x1"]
