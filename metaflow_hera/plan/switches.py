"""Switches, as a DAG sees them: which of them choose, and where one leads past the heads of its branches."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.graph.model import Foreach, Graph, Step, Switch


def chooses(step: Step) -> bool:
    """Whether the step's record decides which step comes next; going back to itself is no choice of Argo's."""
    return isinstance(step.transition, Switch) and len([name for name in step.targets if name != step.name]) > 1


def shortcuts(graph: Graph) -> Iterator[tuple[str, str]]:
    """Each switch with each step that it can choose and that can come after other steps, too.

    Whether such a step runs cannot be said by the status of the switch, and not by its output either, which is missing
    where the switch itself was not reached.
    """
    for name in graph.order:
        for target in graph[name].targets if chooses(graph[name]) else ():
            if target != name and len(graph.parents[target]) > 1 and not _joins_a_foreach(graph, target):
                yield name, target


def _joins_a_foreach(graph: Graph, step: str) -> bool:
    """Such a join waits for the foreach as a whole, whatever its items end with."""
    return graph[step].is_join and isinstance(graph[graph.split_of(step)].transition, Foreach)
