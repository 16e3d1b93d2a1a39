"""incident.io, by an alert source for HTTP: https://docs.incident.io/api-reference/alert-events-v2/createhttp.

A failure is an alert that fires, one for each run; a success resolves it, if the run had failed before.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from metaflow_hera.notifications.message import Channel, Message, RunEnd, shortened
from metaflow_hera.settings import Settings, variable

SERVICE: Final = "https://api.incident.io"
TITLE_LIMIT: Final = 200


def message(end: RunEnd, settings: Settings) -> Message:
    service = (settings.incident_io_url or SERVICE).rstrip("/")
    key = settings.incident_io_api_key
    own = dict(pair.split("=", 1) for pair in end.alert_metadata)
    body: dict[str, object] = {
        "title": shortened(end.headline, TITLE_LIMIT),
        "description": _quoted(shortened(end.message, 4000)) or end.hint,
        "deduplication_key": end.key,
        "status": "resolved" if end.succeeded else "firing",
        "metadata": {**end.facts, **own},
    }
    if end.link:
        body["source_url"] = end.link
    return Message(
        url=f"{service}/v2/alert_events/http/{quote(_source(end, settings), safe='')}",
        body=body,
        headers={"Authorization": f"Bearer {key}"},
        secrets=(key,),
    )


def _quoted(text: str) -> str:
    """Text as code in Markdown, whatever is in it."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def _source(end: RunEnd, settings: Settings) -> str:
    return end.alert_source or settings.incident_io_alert_source_config_id


def _problem(end: RunEnd, settings: Settings) -> str:
    if _source(end, settings):
        return ""
    return (
        "it needs the id of an alert source; give it with --incident-io-alert-source-config-id or "
        f"{variable('incident_io_alert_source_config_id')}"
    )


CHANNEL = Channel(
    name="incident-io", title="incident.io", setting="incident_io_api_key", message=message, problem=_problem
)
