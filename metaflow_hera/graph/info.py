"""A flow as the peer describes it: the dictionary behind `current.graph` and the artifact ``_graph_info``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from metaflow_hera.flow.decorator import Decorator
from metaflow_hera.flow.decorators import FLOW_DECORATORS, STEP_DECORATORS
from metaflow_hera.graph.as_json import plain
from metaflow_hera.graph.model import DecoratorSpec, Foreach, Graph, Linear, Split, Step, Switch


def graph_info(graph: Graph, parameters: Mapping[str, str], constants: Mapping[str, str]) -> dict[str, object]:
    """What JSON can hold of a flow that passed the check; the others are attributes and the names of their types."""
    return {
        "file": Path(graph.file).name if graph.file else None,
        "parameters": [{"name": name, "type": kind} for name, kind in parameters.items()],
        "constants": [{"name": name, "type": kind} for name, kind in constants.items()],
        "steps": {step.name: _step(step, graph) for step in graph},
        "graph_structure": _structure(graph, graph.start, None),
        "doc": graph.doc,
        "decorators": [_decorator(spec, FLOW_DECORATORS) for spec in graph.decorators],
        "extensions": {},
        "start_step": graph.start,
        "end_step": graph.end,
    }


def _step(step: Step, graph: Graph) -> dict[str, object]:
    described: dict[str, object] = {
        "name": step.name,
        "type": _type(step, graph),
        "line": step.line,
        "doc": step.doc,
        "decorators": [_decorator(spec, STEP_DECORATORS) for spec in step.decorators],
        "next": list(step.targets),
    }
    match step.transition:
        case Foreach(over=over):
            described["foreach_artifact"] = over
        case Switch(cases, condition):
            described |= {"condition": condition, "switch_cases": dict(cases)}
    if step.name in graph.joins:
        described["matching_join"] = graph.joins[step.name]
    return described


def _decorator(spec: DecoratorSpec, kinds: Mapping[str, type[Decorator]]) -> dict[str, object]:
    """A decorator with all of its attributes, also those that were not written."""
    defaults = kinds[spec.name].defaults if spec.name in kinds else {}
    return {"name": spec.name, "attributes": plain({**defaults, **spec.attributes})}


def _type(step: Step, graph: Graph) -> str:
    match step.transition:
        case Split():
            return "split-static"
        case Foreach(gang=gang):
            return "split-parallel" if gang else "split-foreach"
        case Switch():
            return "split-switch"
    return role(step, graph)


def role(step: Step, graph: Graph) -> str:
    """What a step that goes on with one other is: ``start``, ``end``, ``join`` or ``linear``."""
    if step.name == graph.end:
        return "end"
    if step.name == graph.start:
        return "start"
    return "join" if step.is_join else "linear"


def _structure(graph: Graph, first: str | None, until: str | None) -> list[object]:
    """The names of steps one after the other, and in lists of their own the branches between a split and its join."""
    found: list[object] = []
    name = first
    while name is not None and name != until:
        step = graph[name]
        found.append(name)
        match step.transition:
            case Linear(to):
                name = to
            case Split() | Foreach():
                join = graph.joins[name]
                found.append([_structure(graph, target, join) for target in step.targets])
                name = join
            case Switch():
                meeting = _meeting(graph, step)
                branches = [target for target in step.targets if target != step.name]
                found.append([_structure(graph, target, meeting) for target in branches])
                name = meeting
            case _:
                name = None
    return found


def _meeting(graph: Graph, switch: Step) -> str | None:
    """The first step to which all ways from a switch lead; None if none does."""
    ways = [_reached(graph, target) for target in switch.targets if target != switch.name]
    return next((name for name in graph.order if all(name in way for way in ways)), None)


def _reached(graph: Graph, first: str) -> set[str]:
    reached: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += graph[name].targets
    return reached
