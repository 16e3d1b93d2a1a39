"""Whether each split is joined once, whole, and in the right order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metaflow_hera.graph.model import Foreach, Graph, Split, Switch

Scope = tuple[str, ...]
"""The splits that are open at a point of a flow, outermost first."""


def imbalances(graph: Graph) -> Iterator[tuple[str, str]]:
    """Steps at which splits and joins do not fit, with what is wrong and what to do; the graph has no loops.

    A step is looked at with what leads to it, and taken for right by what follows, so that one mistake is told once.
    """
    scopes: dict[str, Scope] = {}
    joined: dict[str, str] = {}
    for name in graph.order:
        arriving = {parent: _after(graph, parent, scopes) for parent in graph.parents[name]}
        scope = next(iter(arriving.values()), ())
        if graph[name].is_join:
            yield from ((name, text) for text in _join_problems(graph, name, arriving, joined))
            scopes[name] = scope[:-1]
            if scope:
                joined.setdefault(scope[-1], name)
        else:
            yield from ((name, text) for text in _plain_problems(graph, name, arriving))
            scopes[name] = scope
        if name == graph.end and scopes[name] and not graph[name].is_join:
            opened = scopes[name][-1]
            yield (
                name,
                f"ends the flow while the {_kind(graph, opened)} is open; write a step before it that joins its tasks",
            )
    yield from _partial_joins(graph, joined)


def _partial_joins(graph: Graph, joined: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for split, join in joined.items():
        for branch in graph[split].targets if isinstance(graph[split].transition, Split) else ():
            ahead = _ahead(graph, branch)
            if branch in graph.steps and join not in ahead and not any(_is_broken(graph, name) for name in ahead):
                yield (
                    join,
                    f"joins the {_kind(graph, split)}, but branch {branch!r} does not lead to it",
                )


def _ahead(graph: Graph, start: str) -> set[str]:
    """The step and all that it can lead to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in graph.steps and name not in found:
            found.add(name)
            waiting.extend(graph[name].targets)
    return found


def _is_broken(graph: Graph, name: str) -> bool:
    """Whether it is told elsewhere that nobody knows where the step leads."""
    targets = graph[name].targets
    return (not targets and name != graph.end) or any(target not in graph.steps for target in targets)


def _after(graph: Graph, step: str, scopes: Mapping[str, Scope]) -> Scope:
    scope = scopes.get(step, ())
    return (*scope, step) if isinstance(graph[step].transition, Split | Foreach) else scope


def _join_problems(graph: Graph, name: str, arriving: Mapping[str, Scope], joined: Mapping[str, str]) -> Iterator[str]:
    if name in (graph.start, graph.end):
        return  # told by rules of their own
    if not any(arriving.values()):
        yield f"takes inputs, but no split is open before it; write `def {name}(self):`"
        return
    if len(set(arriving.values())) > 1:
        kinds = "; ".join(f"{parent!r} is in {_place(graph, scope)}" for parent, scope in arriving.items())
        yield f"joins tasks of different splits: {kinds}; join those of each split in a step of their own first"
        return
    opened = next(iter(arriving.values()))[-1]
    if isinstance(graph[opened].transition, Foreach) and opened in arriving:
        yield f"joins the {_kind(graph, opened)} that leads straight to it; write a step for the items between them"
    if opened in joined:
        other = joined[opened]
        yield f"joins the {_kind(graph, opened)}, as {other!r} does; all branches of a split are joined in one step"


def _plain_problems(graph: Graph, name: str, arriving: Mapping[str, Scope]) -> Iterator[str]:
    if len(arriving) < 2 or _has_switch(graph):
        return
    parents = " and ".join(map(repr, arriving))
    yield f"comes after {parents}, but takes no inputs; write `def {name}(self, inputs):`"


def _has_switch(graph: Graph) -> bool:
    """Whether one of several steps before another may be the only one that runs."""
    return any(isinstance(step.transition, Switch) for step in graph)


def _place(graph: Graph, scope: Scope) -> str:
    return f"the {_kind(graph, scope[-1])}" if scope else "no split"


def _kind(graph: Graph, split: str) -> str:
    match graph[split].transition:
        case Foreach(over=over):
            return f"foreach over {over!r} of {split!r}"
        case _:
            return f"split of {split!r}"
