"""Whether each split is joined once, whole, and in the right order, whatever the switches choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from metaflow_hera.graph.model import Foreach, Graph, Split


class Open(NamedTuple):
    """A split that is open at a point of a flow, and the branch of it that leads there."""

    split: str
    branch: str


Scope = tuple[Open, ...]
"""Outermost first. At any time one task runs in each scope, so steps of the same scope never run both before another.

That is why a step may follow several others without inputs: they are the ends of a switch's branches. In different
branches of a split both run, and only a join can follow them.
"""


def imbalances(graph: Graph) -> Iterator[tuple[str, str]]:
    """Steps at which splits and joins do not fit, with what is wrong and what to do; the graph has no loops.

    A step is looked at with what leads to it, and taken for right by what follows, so that one mistake is told once.
    """
    scopes: dict[str, Scope] = {}
    joined: dict[str, str] = {}
    for name in graph.order:
        arriving = {parent: _after(graph, parent, name, scopes) for parent in graph.parents[name]}
        if graph[name].is_join:
            yield from ((name, text) for text in _join_problems(graph, name, arriving, joined))
        else:
            yield from ((name, text) for text in _plain_problems(graph, name, arriving))
        scope = min(arriving.values(), key=len, default=())
        if scope and (graph[name].is_join or len(set(arriving.values())) > 1 == _splits(arriving)):
            joined.setdefault(scope[-1].split, name)
            scope = scope[:-1]
        scopes[name] = scope
        if name == graph.end and scope and not graph[name].is_join:
            text = f"ends the flow while the {_kind(graph, scope[-1].split)} is open"
            yield name, f"{text}; write a step before it that joins its tasks"
    yield from _partial_joins(graph, joined)


def _splits(arriving: Mapping[str, Scope]) -> int:
    """How many different splits are innermost where the steps end."""
    return len({(scope[:-1], scope[-1].split) if scope else () for scope in arriving.values()})


def _after(graph: Graph, parent: str, step: str, scopes: Mapping[str, Scope]) -> Scope:
    """The scope in which *step* comes after *parent*."""
    scope = scopes.get(parent, ())
    return (*scope, Open(parent, step)) if isinstance(graph[parent].transition, Split | Foreach) else scope


def _partial_joins(graph: Graph, joined: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for split, join in joined.items():
        for branch in graph[split].targets if isinstance(graph[split].transition, Split) else ():
            passed = _before(graph, branch, join)
            if graph.end in passed and not any(_is_broken(graph, name) for name in passed):
                does = "can pass it by" if join in _before(graph, branch, "") else "does not lead to it"
                yield join, f"joins the split of {split!r}, but branch {branch!r} {does}"


def _before(graph: Graph, start: str, stop: str) -> set[str]:
    """The step and all that it can lead to without going through *stop*."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in graph.steps and name not in found and name != stop:
            found.add(name)
            waiting.extend(graph[name].targets)
    return found


def _is_broken(graph: Graph, name: str) -> bool:
    """Whether it is told elsewhere that nobody knows where the step leads."""
    targets = graph[name].targets
    return (not targets and name != graph.end) or any(target not in graph.steps for target in targets)


def _join_problems(graph: Graph, name: str, arriving: Mapping[str, Scope], joined: Mapping[str, str]) -> Iterator[str]:
    if name in (graph.start, graph.end):
        return  # told by rules of their own
    if not any(arriving.values()):
        yield f"takes inputs, but no split is open before it; write `def {name}(self):`"
        return
    if _splits(arriving) > 1:
        yield f"joins tasks of different splits: {_listed(graph, arriving)}; {_APART}"
        return
    opened = next(iter(arriving.values()))[-1].split
    if opened in arriving:
        what = "the items" if isinstance(graph[opened].transition, Foreach) else "that branch"
        yield f"joins the {_kind(graph, opened)} that leads straight to it; write a step for {what} between them"
    if opened in joined:
        other = joined[opened]
        yield f"joins the {_kind(graph, opened)}, as {other!r} does; all branches of a split are joined in one step"


_APART = "join those of each split in a step of their own first"


def _plain_problems(graph: Graph, name: str, arriving: Mapping[str, Scope]) -> Iterator[str]:
    if len(set(arriving.values())) < 2:
        return
    parents = " and ".join(map(repr, arriving))
    if _splits(arriving) > 1:
        yield f"comes after tasks of different splits: {_listed(graph, arriving)}; {_APART}"
    elif name == graph.end:
        yield f"comes after {parents}, of which more than one runs; write a step before it that joins them"
    else:
        what = f"comes after {parents}, of which more than one runs, but takes no inputs"
        yield f"{what}; write `def {name}(self, inputs):`"


def _listed(graph: Graph, arriving: Mapping[str, Scope]) -> str:
    places = {
        parent: f"the {_kind(graph, scope[-1].split)}" if scope else "no split" for parent, scope in arriving.items()
    }
    return "; ".join(f"{parent!r} is in {place}" for parent, place in places.items())


def _kind(graph: Graph, split: str) -> str:
    match graph[split].transition:
        case Foreach(gang=True):
            return f"num_parallel of {split!r}"
        case Foreach(over=over):
            return f"foreach over {over!r} of {split!r}"
        case _:
            return f"split of {split!r}"
