"""PagerDuty, by its Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview.

A failure is an alert, which its key makes one for each run; a success is a change, which calls nobody.
"""

from __future__ import annotations

from typing import Final

from metaflow_hera.notifications.message import Channel, Message, RunEnd, shortened
from metaflow_hera.settings import Settings

SERVICE: Final = "https://events.pagerduty.com"
SUMMARY_LIMIT: Final = 1024


def message(end: RunEnd, settings: Settings) -> Message:
    service = (settings.pager_duty_url or SERVICE).rstrip("/")
    key = settings.pager_duty_integration_key
    told = f"{end.headline}: {end.message}" if end.message else end.headline
    payload = {
        "summary": shortened(told, SUMMARY_LIMIT),
        "source": shortened(end.pathspec, SUMMARY_LIMIT),
        "timestamp": end.time,
        "custom_details": end.facts,
    }
    body: dict[str, object] = {"routing_key": key, "payload": payload}
    if end.link:
        body["links"] = [{"href": end.link, "text": "the run"}]
    if end.succeeded:
        return Message(url=f"{service}/v2/change/enqueue", body=body, secrets=(key,))
    body |= {"event_action": "trigger", "dedup_key": end.key, "payload": {**payload, "severity": "critical"}}
    return Message(url=f"{service}/v2/enqueue", body=body, secrets=(key,))


CHANNEL = Channel(name="pager-duty", title="PagerDuty", setting="pager_duty_integration_key", message=message)
