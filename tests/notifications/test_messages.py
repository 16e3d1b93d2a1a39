"""What services are told of the end of a run, whatever its texts are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.notifications import CHANNELS, VARIABLES, channels_of, notify
from metaflow_hera.notifications.message import RunEnd
from metaflow_hera.notifications.wire import TRIES, send
from metaflow_hera.settings import Settings

SECRETS = {
    "slack_webhook_url": "https://hooks.slack.test/services/planted",
    "pager_duty_integration_key": "planted-key",
    "incident_io_api_key": "planted-token",
}
TEXTS = st.text(st.characters(), max_size=300) | st.sampled_from(
    [
        "<!channel> <@U1> <http://x|y>",
        "```\n*bold* `code`",
        "\ud800",
        "{{workflow.name}}",
        "\x00\x1b[31m",
        "<" * 9000,
    ]
)


def settings_with(**values: str) -> Settings:
    return replace(Settings.of_environment(), **values)


ALL = settings_with(**SECRETS, incident_io_alert_source_config_id="source")

ENDS = st.builds(
    RunEnd,
    flow=TEXTS.map(lambda text: f"F{text}"),
    run=TEXTS,
    succeeded=st.booleans(),
    message=TEXTS,
    finished=st.floats(0, 4e9),
    link=st.sampled_from(["", "https://argo/workflows/team/wf-x1"]),
    alert_metadata=st.lists(TEXTS.map("k={}".format), max_size=2).map(tuple),
)


@given(ENDS)
def test_any_end_makes_messages_that_are_json_of_a_size_that_services_take(end: RunEnd) -> None:
    for channel in CHANNELS:
        body = json.dumps(channel.message(end, ALL).body)
        assert json.loads(body)
        assert len(body) < 512 * 1024


@given(ENDS)
def test_no_text_of_a_run_is_markup_in_slack(end: RunEnd) -> None:
    slack = CHANNELS[0].message(end, ALL).body
    text = slack["blocks"][0]["text"]["text"]  # type: ignore[index]
    without_link = text.removesuffix("<https://argo/workflows/team/wf-x1|open it>")
    assert "<" not in without_link
    assert len(text) <= 3000
    fences = re.findall("```", text)
    assert len(fences) == (2 if end.message else 0)


@given(ENDS)
def test_events_of_one_run_have_one_key(end: RunEnd) -> None:
    other = replace(end, message="another", finished=5.0)
    for end_of_run in (end, other):
        assert 0 < len(end_of_run.key) <= 255
    assert end.key == other.key


def test_only_channels_whose_secret_is_set_are_told() -> None:
    assert channels_of(settings_with()) == ()
    assert [channel.name for channel in channels_of(settings_with(slack_webhook_url="https://x"))] == ["slack"]
    assert list(channels_of(ALL)) == list(CHANNELS)
    assert VARIABLES == (
        "MFHERA_SLACK_WEBHOOK_URL",
        "MFHERA_PAGER_DUTY_INTEGRATION_KEY",
        "MFHERA_INCIDENT_IO_API_KEY",
    )


def test_what_was_told_is_not_told_again() -> None:
    end = RunEnd(flow="F", run="r", succeeded=True)
    assert list(notify(end, ALL, lambda channel: True)) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"slack_webhook_url": "planted"}, "Slack was not told how the run ended: its webhook is no http(s) URL"),
        ({"incident_io_api_key": "planted"}, "incident.io was not told how the run ended: it needs the id of an alert"),
        ({}, "nobody was told how the run ended: none of MFHERA_SLACK_WEBHOOK_URL, "),
    ],
)
def test_a_channel_that_is_not_whole_is_told_without_its_secret(values: dict[str, str], told: str) -> None:
    end = RunEnd(flow="F", run="r", succeeded=False)
    [(done, sentence)] = notify(end, settings_with(**values), lambda channel: False)
    assert done == ""
    assert sentence.startswith(told)
    assert "planted" not in sentence


@pytest.mark.parametrize(
    "url", ["https://hooks.slack.test:99999/planted", "http://[planted", "http://127.0.0.1:1/planted"]
)
def test_a_url_that_leads_nowhere_is_told_without_it(url: str) -> None:
    message = CHANNELS[0].message(RunEnd(flow="F", run="r", succeeded=False), settings_with(slack_webhook_url=url))
    waited: list[float] = []
    failure = send(message, waited.append)
    assert failure
    assert "planted" not in failure
    assert len(waited) in (0, TRIES - 1)


def test_secrets_are_in_no_text_of_the_settings(tmp_path: Path) -> None:
    assert "planted" not in repr(ALL)
    assert not any("planted" in shown for _, shown, _, _ in ALL.describe())
