"""What events say to the run that they started: which they were, and values for its parameters."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metaflow_hera.errors import ParameterError
from metaflow_hera.event_names import event_parameter, event_payloads
from metaflow_hera.flow.parameters import NONE
from metaflow_hera.records.codec import decode
from metaflow_hera.records.events import Awaited, cause_of
from metaflow_hera.records.run import Cause


class Told(NamedTuple):
    """What a start step begins with."""

    texts: Mapping[str, str]
    """Of the flow's own parameters, by name."""
    causes: tuple[Cause, ...] = ()


def told_by_events(events: Sequence[str], separators: Mapping[str, str | None], texts: Mapping[str, str]) -> Told:
    """Take the events out of a workflow's parameters; the fields of a later one go before those of an earlier one.

    *events* are those of a `TaskCommand`, *separators* has the parameters of the flow. `ParameterError` for an event
    that is none.
    """
    payloads = event_payloads(texts)
    own = {name: text for name, text in texts.items() if name not in payloads}
    causes = []
    for number, written in enumerate(events):
        text = payloads.get(event_parameter(number))
        if text is None:
            continue
        awaited = decode(Awaited, written.encode())
        payload = _payload(awaited.name, text)
        causes.append(cause_of(awaited, payload, time.time()))
        for name, field in awaited.parameters.items():
            if field in payload and name in separators:
                own[name] = _typed(payload[field], separators[name])
    return Told(own, tuple(causes))


def _payload(event: str, text: str) -> Mapping[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"the payload of the event {event!r} cannot be read: {error}") from error
    if not isinstance(payload, Mapping):
        raise ParameterError(f"the payload of the event {event!r} must be an object with fields, not {text[:60]!r}")
    return payload


def _typed(value: object, separator: str | None) -> str:
    """A value of a payload as a person would type it: texts as they are, all else as JSON."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    if separator and isinstance(value, Sequence) and all(isinstance(part, str) for part in value):
        return separator.join(value)
    return json.dumps(value, ensure_ascii=False)
