"""A graph as JSON: what a run's record keeps of its flow, for whoever shows it later without its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from metaflow_hera.graph.model import (
    DecoratorSpec,
    End,
    Foreach,
    Graph,
    Linear,
    Split,
    Step,
    Switch,
    Transition,
    Unclear,
)

_TRANSITIONS: Mapping[str, type[Linear | Split | Foreach | Switch | End | Unclear]] = {
    "linear": Linear,
    "split": Split,
    "foreach": Foreach,
    "switch": Switch,
    "end": End,
    "unclear": Unclear,
}


def to_json(graph: Graph) -> dict[str, object]:
    """The graph as JSON can hold it; what an attribute of a decorator has beyond JSON becomes its text."""
    return {
        "flow": graph.flow,
        "start": graph.start,
        "end": graph.end,
        "doc": graph.doc,
        "file": graph.file,
        "decorators": _decorators_to_json(graph.decorators),
        "steps": [_step_to_json(step) for step in graph],
    }


def from_json(data: Mapping[str, Any]) -> Graph:
    """The graph behind `to_json`; what a newer version wrote besides is left out."""
    steps = [_step_from_json(step) for step in data["steps"]]
    return Graph(
        flow=data["flow"],
        start=data["start"],
        end=data["end"],
        doc=data["doc"],
        file=data["file"],
        decorators=_decorators_from_json(data.get("decorators", ())),
        steps={step.name: step for step in steps},
    )


def _step_to_json(step: Step) -> dict[str, object]:
    kind = next(name for name, transition in _TRANSITIONS.items() if isinstance(step.transition, transition))
    values = {field.name: plain(getattr(step.transition, field.name)) for field in fields(step.transition)}
    return {
        "name": step.name,
        "transition": {"kind": kind, **values},
        "is_join": step.is_join,
        "decorators": _decorators_to_json(step.decorators),
        "doc": step.doc,
        "file": step.file,
        "line": step.line,
        "next_line": step.next_line,
    }


def _step_from_json(data: Mapping[str, Any]) -> Step:
    kind: Callable[..., Transition] = _TRANSITIONS[data["transition"]["kind"]]
    values = {name: _tuples(value) for name, value in data["transition"].items() if name != "kind"}
    return Step(
        name=data["name"],
        transition=kind(**values),
        is_join=data["is_join"],
        decorators=_decorators_from_json(data["decorators"]),
        doc=data["doc"],
        file=data["file"],
        line=data["line"],
        next_line=data["next_line"],
    )


def _decorators_to_json(specs: Iterable[DecoratorSpec]) -> list[dict[str, object]]:
    return [_decorator_to_json(spec) for spec in specs]


def _decorator_to_json(spec: DecoratorSpec) -> dict[str, object]:
    given = {"arguments": plain(spec.arguments)} if spec.arguments else {}
    return {"name": spec.name, "attributes": plain(spec.attributes), **given}


def _decorators_from_json(data: Iterable[Mapping[str, Any]]) -> tuple[DecoratorSpec, ...]:
    return tuple(
        DecoratorSpec(name=spec["name"], attributes=spec["attributes"], arguments=tuple(spec.get("arguments", ())))
        for spec in data
    )


HIDDEN = "env_vars"
"""Under this key a decorator has the values of secrets: nothing that is written down holds them."""


def plain(value: object) -> object:
    """*value* as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): "(hidden)" if key == HIDDEN else plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(getattr(value, "__qualname__", value))  # of a function its name, without its address


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
