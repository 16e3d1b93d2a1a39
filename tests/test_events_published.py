"""Events that are published: what is sent, what is tried again, what is told."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from webhook import Webhook, opened_webhook

from metaflow_hera import FlowSpec, namespaced_event_name, run, step
from metaflow_hera.errors import EventError
from metaflow_hera.integrations import ArgoEvent


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with opened_webhook() as opened:
        yield opened


def test_an_event_is_sent_with_its_payload(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_ARGO_EVENTS_WEBHOOK_URL", webhook.url)
    event = ArgoEvent("data_ready", payload={"a": 1}, access_token="secret").add_to_payload("b", 2)
    sent_id = event.publish({"c": [3]})
    [sent] = webhook.events
    assert sent["name"] == sent["payload"]["name"] == "data_ready"
    assert sent["payload"]["id"] == sent_id == str(uuid.UUID(sent_id))
    assert {key: sent["payload"][key] for key in "abc"} == {"a": 1, "b": "2", "c": [3]}
    assert sent["payload"]["generated-by-metaflow"] is True
    assert len(sent["payload"]["utc_date"]) == 8 and isinstance(sent["payload"]["timestamp"], int)
    assert webhook.tokens == ["Bearer secret"]
    assert event.publish() != sent_id


def test_the_name_of_an_event_may_be_that_of_a_namespace(webhook: Webhook) -> None:
    ArgoEvent(namespaced_event_name("ready"), url=webhook.url).publish()
    assert webhook.events[0]["name"] == "mfns.ready"


def test_an_address_that_hangs_up_is_tried_again(webhook: Webhook) -> None:
    webhook.hangs_up = 1
    assert ArgoEvent("again", url=webhook.url).publish(ignore_errors=False)
    assert len(webhook.events) == 1


def test_a_refused_event_is_told_or_raised(webhook: Webhook, capsys: pytest.CaptureFixture[str]) -> None:
    webhook.answer = 403
    event = ArgoEvent("no", url=webhook.url)
    assert event.publish() is None
    assert capsys.readouterr().err == f"event 'no': {webhook.url} refuses it: 403 Forbidden\n"
    with pytest.raises(EventError, match="403"):
        event.publish(ignore_errors=False)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (ArgoEvent("x"), "there is no address to publish it at; give url= or set MFHERA_EVENTS_URL"),
        (ArgoEvent("x", url="file:///etc/passwd"), "'file:///etc/passwd' is no address"),
        (ArgoEvent("x", url="http://127.0.0.1:9", payload={"set": {1}}), "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_published_is_named(event: ArgoEvent, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_BACKEND", "kubernetes")
    with pytest.raises(EventError, match=told):
        event.publish(ignore_errors=False)


class PublishingFlow(FlowSpec):
    @step
    def start(self):
        self.id = ArgoEvent("tried_out", url="http://127.0.0.1:9").safe_publish()
        self.next(self.end)

    @step
    def end(self):
        pass


def test_a_run_that_is_tried_out_publishes_nothing() -> None:
    ended = run(PublishingFlow)
    assert ended.data.id is None
    assert ended["start"].task.stderr == "event 'tried_out' is not published: this is no run of a deployment\n"
