"""What may be written in @trigger and @trigger_on_finish, read into events and flows.

A function in place of a value is called where the flow is deployed; before that, what it gives is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from metaflow_hera.flow import checks

Call = Callable[[Callable[..., Any]], object]
"""Calls a deploy-time function, and gives `UNKNOWN` if that is not to be done yet, or went wrong."""

UNKNOWN: Final = object()

_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_FIELD = re.compile(r"[A-Za-z0-9_]+\Z")
_EVENT_KEYS = ("name", "parameters")
_FLOW_KEYS = ("name", "project", "project_branch")


class Event(NamedTuple):
    """An event that starts a run."""

    name: str
    parameters: Mapping[str, str] | None = None
    """For each parameter the field of the event's payload; None if nothing was said."""


class Upstream(NamedTuple):
    """A flow whose successful run starts a run."""

    flow: str
    project: str | None = None
    branch: str | None = None


def not_yet(function: Callable[..., Any]) -> object:
    """The `Call` of a check."""
    return UNKNOWN


def items(one: object, several: object, names: tuple[str, str], call: Call, wrong: list[str]) -> list[object]:
    """What was written in *one* or in *several*, which *names* are called; nothing and both are *wrong*."""
    if callable(several):
        several = call(several)
    if several is UNKNOWN:
        return []
    if not isinstance(several, list | tuple):
        wrong.append(f"{names[1]} must be a list, not {several!r}")
        return []
    if one is not None and several:
        wrong.append(f"has both {names[0]} and {names[1]}; give one of them")
    if one is None and not several:
        wrong.append(f"names nothing; give {names[0]}='…' or {names[1]}=['…']")
    return [*([] if one is None else [one]), *several]


def read_events(written: Iterable[object], call: Call, wrong: list[str]) -> Iterator[Event]:
    """The events that are known, each name once; all that is *wrong* is added to that."""
    seen: set[str] = set()
    for item in written:
        event = _event(_value(item, call), call, wrong)
        if event is not None and event.name in seen:
            wrong.append(f"names the event {event.name!r} twice; keep one")
        elif event is not None:
            seen.add(event.name)
            yield event


def _value(item: object, call: Call) -> object:
    return call(item) if callable(item) else item


def _event(item: object, call: Call, wrong: list[str]) -> Event | None:
    if item is UNKNOWN:
        return None
    if not isinstance(item, Mapping):
        item = {"name": item}
    wrong += _keys("an event", item, _EVENT_KEYS)
    parameters = _mapping(_value(item.get("parameters"), call), wrong)
    name = _value(item.get("name"), call)
    if name is UNKNOWN:
        return None
    if not isinstance(name, str) or not _NAME.match(name):
        wrong.append(f"the name of an event must be ASCII letters, digits, '_', '-' and '.', not {name!r}")
        return None
    return Event(name, parameters)


def _keys(what: str, item: Mapping[Any, object], known: tuple[str, ...]) -> Iterator[str]:
    for key in item:
        if key not in known:
            yield f"{what} has no {key!r}; it has {', '.join(known)}"
    if "name" not in item:
        yield f"{what} needs a name; write {{'name': '…'}}"


def _mapping(written: object, wrong: list[str]) -> Mapping[str, str] | None:
    """Parameters and fields: as a dictionary, or as a list of names or of pairs."""
    if written is None or written is UNKNOWN:
        return None
    found: dict[str, str] = {}
    for parameter, field in _pairs(written, wrong):
        if not isinstance(parameter, str):
            wrong.append(f"a parameter must be named by a text, not {parameter!r}")
        elif not isinstance(field, str) or not _FIELD.match(field):
            wrong.append(f"the field for parameter {parameter!r} must be ASCII letters, digits and '_', not {field!r}")
        elif parameter in found:
            wrong.append(f"gives parameter {parameter!r} twice; keep one")
        else:
            found[parameter] = field
    return found


def _pairs(written: object, wrong: list[str]) -> Iterator[tuple[object, object]]:
    if isinstance(written, Mapping):
        yield from written.items()
    elif isinstance(written, list | tuple):
        for part in written:
            if isinstance(part, str):
                yield part, part
            elif isinstance(part, list | tuple) and len(part) == 2:
                yield part[0], part[1]
            else:
                wrong.append(f"the parameters of an event are names or pairs of a name and a field, not {part!r}")
    else:
        wrong.append(f"the parameters of an event must be a dictionary or a list, not {written!r}")


def read_flows(written: Iterable[object], call: Call, wrong: list[str]) -> Iterator[Upstream]:
    """The flows that are known, each once; all that is *wrong* is added to that."""
    seen: set[Upstream] = set()
    for item in written:
        upstream = _upstream(_value(item, call), call, wrong)
        if upstream is not None and upstream in seen:
            name = ".".join(filter(None, (upstream.project, upstream.branch, upstream.flow)))
            wrong.append(f"names the flow {name!r} twice; keep one")
        elif upstream is not None:
            seen.add(upstream)
            yield upstream


def _upstream(item: object, call: Call, wrong: list[str]) -> Upstream | None:
    if item is UNKNOWN:
        return None
    if isinstance(item, str):
        return _dotted(item, wrong)
    if not isinstance(item, Mapping):
        wrong.append(f"a flow is named by a text or by a dictionary, not {item!r}")
        return None
    wrong += _keys("a flow", item, _FLOW_KEYS)
    values = [_value(item.get(key), call) for key in _FLOW_KEYS]
    if UNKNOWN in values or "name" not in item:
        return None
    name, project, branch = values
    problems = [
        f"the {key} of a flow must be a text, not {value!r}"
        for key, value in zip(_FLOW_KEYS, values, strict=True)
        if not (isinstance(value, str) or (value is None and key != "name"))
    ]
    wrong += problems
    return None if problems else _named(Upstream(str(name), project, branch), wrong)  # type: ignore[arg-type]


def _dotted(text: str, wrong: list[str]) -> Upstream | None:
    """``Flow``, or ``project.branch.Flow``, whose branch may have dots itself."""
    parts = text.split(".")
    if len(parts) == 2 or not all(parts):
        wrong.append(f"{text!r} is no flow: write 'Flow' or 'project.branch.Flow'")
        return None
    if len(parts) == 1:
        return _named(Upstream(text), wrong)
    return _named(Upstream(parts[-1], parts[0], ".".join(parts[1:-1])), wrong)


def _named(upstream: Upstream, wrong: list[str]) -> Upstream | None:
    if upstream.flow.isidentifier():
        return upstream
    wrong.append(f"{upstream.flow!r} cannot be the name of a flow, which is that of its class")
    return None


def option_problems(options: object) -> Iterator[str]:
    """What is wrong with ``options``: there is ``reset_at``, when what came so far is forgotten."""
    if not isinstance(options, Mapping):
        yield f"options must be a dictionary, not {options!r}"
        return
    for key in options:
        if key != "reset_at":
            yield f"options has no {key!r}; it has reset_at"
    reset = options.get("reset_at")
    if reset is None:
        return
    if not isinstance(reset, Mapping) or not reset.keys() <= {"cron", "timezone"}:
        yield f"options: reset_at must be {{'cron': '…', 'timezone': '…'}}, not {reset!r}"
        return
    yield from (f"options: reset_at: {text}" for text in _reset(reset))


def _reset(reset: Mapping[str, object]) -> Iterator[str]:
    if "cron" not in reset:
        yield "needs a cron line"
    yield from checks.words("cron", reset.get("cron"))
    yield from checks.timezone("timezone", reset.get("timezone"))
