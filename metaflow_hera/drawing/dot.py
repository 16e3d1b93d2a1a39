"""A flow as a graph in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.graph.model import Foreach, Graph, Split, Step, Switch


def to_dot(graph: Graph) -> str:
    """The graph as ``dot`` reads it: splits and foreaches are wider, what a switch chooses is on its edges."""
    lines = [f"digraph {_quoted(graph.flow)} {{", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    lines += [f"  {line}" for name in graph.order for line in _step(graph[name])]
    return "\n".join([*lines, "}"])


def _step(step: Step) -> Iterator[str]:
    match step.transition:
        case Foreach(to=to, over=over, gang=gang):
            yield f"{_quoted(step.name)} [peripheries=2];"
            label = "num_parallel" if gang else f"foreach {over}"
            yield f"{_quoted(step.name)} -> {_quoted(to)} [label={_quoted(label)}];"
        case Switch(cases):
            yield f"{_quoted(step.name)} [shape=diamond];"
            for value, to in cases:
                yield f"{_quoted(step.name)} -> {_quoted(to)} [label={_quoted(value)}];"
        case transition:
            shape = "peripheries=2" if isinstance(transition, Split) else ""
            yield f"{_quoted(step.name)} [{shape}];"
            for to in step.targets:
                yield f"{_quoted(step.name)} -> {_quoted(to)};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
