"""Events that are published from a shell, and what came of those on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from metaflow_hera.backends.embedded import EmbeddedBackend, StoredEvent
from metaflow_hera.errors import UsageError
from metaflow_hera.integrations import publish
from metaflow_hera.settings import Settings


def publish_event(name: str, fields: Sequence[str], payload: str | None, settings: Settings) -> str:
    """Publish an event with these fields, each ``NAME=TEXT``, and those of *payload*, a JSON object; return its id."""
    return publish(name, {**_object(payload), **dict(map(_pair, fields))}, settings)


def _object(payload: str | None) -> Mapping[str, object]:
    if payload is None:
        return {}
    try:
        read = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--payload-json: {error}") from error
    if not isinstance(read, dict):
        raise UsageError(f"--payload-json must be a JSON object, {{…}}, not {payload[:60]!r}")
    return read


def _pair(field: str) -> tuple[str, str]:
    name, equals, text = field.partition("=")
    if not (name and equals):
        raise UsageError(f"--payload {field!r}: write NAME=TEXT")
    return name, text


def events(settings: Settings, limit: int) -> list[StoredEvent]:
    """What the embedded engine knows of events, the newest first; `UsageError` for a cluster."""
    if settings.backend != "embedded":
        raise UsageError(
            f"the backend {settings.backend!r} has its events from Argo Events, which keeps no list of them; "
            "`mfhera runs` shows what they started"
        )
    return EmbeddedBackend(settings).events(limit)
