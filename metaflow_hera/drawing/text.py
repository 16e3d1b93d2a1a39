"""A flow as lines of text: one per step, indented by the splits that are open around it."""

from __future__ import annotations

from metaflow_hera.graph.model import Foreach, Graph, Split, Step, Switch


def to_text(graph: Graph) -> str:
    """The steps in the order in which they run: what follows each, its decorators, the first line of its text."""
    rows = [
        (_branch(graph, step) + step.name, _following(step), _decorators(step), _first_line(step.doc))
        for step in map(graph.__getitem__, graph.order)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    heading = ": ".join(filter(None, (graph.flow, _first_line(graph.doc))))
    return "\n".join((heading, "", *(f"  {line}" for line in lines)))


def _branch(graph: Graph, step: Step) -> str:
    depth = len(graph.scopes[step.name])
    splits = (graph[parent] for parent in graph.parents[step.name] if not step.is_join)
    if any(isinstance(split.transition, Split | Foreach) for split in splits):
        return "│  " * (depth - 1) + "├─ "
    return "│  " * depth


def _following(step: Step) -> str:
    match step.transition:
        case Foreach(to, gang=True):
            return f"→ {to} by num_parallel"
        case Foreach(to, over):
            return f"→ {to} for each of {over}"
        case Switch(cases, condition):
            return f"→ by {condition}: " + ", ".join(f"{value} → {target}" for value, target in cases)
        case _:
            return f"→ {', '.join(step.targets)}" if step.targets else ""


def _decorators(step: Step) -> str:
    return " ".join(f"@{decorator.name}" for decorator in step.decorators)


def _first_line(doc: str) -> str:
    return doc.strip().partition("\n")[0].strip()
