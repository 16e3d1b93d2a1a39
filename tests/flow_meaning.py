"""Which tasks a run of a graph has and which follow which, by tokens that walk through it: no code of ours is asked.

A split makes a token for each branch, a foreach one for each item, and a join takes them all for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from metaflow_hera.graph.model import Foreach, Graph, Split, Switch

Run = tuple[str, str]
"""A step and an index path; a step that repeats itself is one."""


class Wrong(Exception):
    """The run would lack a task, have one twice, or begin one on half of its inputs."""


class Part(NamedTuple):
    """The branch, or the item, of a split that a token is in."""

    split: str
    part: str | int


Stack = tuple[Part, ...]


class Token(NamedTuple):
    """On its way from a task to a step."""

    parent: Run | None
    stack: Stack


@dataclass(frozen=True)
class Decisions:
    """What the steps of a run decide while they run."""

    width: Callable[[Run], int]
    """How many items a foreach has."""
    choice: Callable[[Run], str]
    """Which step a switch leads to in the end."""


def path_of(stack: Stack) -> str:
    return ".".join(str(part) for _, part in stack if isinstance(part, int)) or "0"


def meaning(graph: Graph, decisions: Decisions) -> dict[Run, tuple[Run, ...]]:
    """Every task of a run with its parents, each after them; `Wrong` if the graph makes no sense for that run."""
    return _Walk(graph, decisions).walk()


@dataclass
class _Walk:
    graph: Graph
    decisions: Decisions
    arrived: dict[str, list[Token]] = field(default_factory=dict)
    runs: dict[Run, tuple[Run, ...]] = field(default_factory=dict)
    around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For each step the splits in which its tasks begin, the same in all runs."""

    def walk(self) -> dict[Run, tuple[Run, ...]]:
        self.arrived[self.graph.start] = [Token(None, ())]
        for name in in_order(self.graph):
            tokens = self.arrived.pop(name, [])
            for _, stack in tokens:
                if self.around.setdefault(name, tuple(split for split, _ in stack)) != tuple(s for s, _ in stack):
                    raise Wrong(f"{name} comes after different splits")
            for stack, parents in self._joined(name, tokens) if self.graph[name].is_join else _plain(tokens):
                self._run(name, stack, parents)
        if (self.graph.end, "0") not in self.runs:
            raise Wrong("the end is not reached")
        return self.runs

    def _run(self, name: str, stack: Stack, parents: list[Run]) -> None:
        run = (name, path_of(stack))
        if run in self.runs:
            raise Wrong(f"{run} runs twice")
        self.runs[run] = tuple(parents)
        if name == self.graph.end and stack:
            raise Wrong("the end is reached in a split")
        for target, part in self._leaving(run):
            self.arrived.setdefault(target, []).append(Token(run, (*stack, part) if part else stack))

    def _leaving(self, run: Run) -> Iterator[tuple[str, Part | None]]:
        step = self.graph[run[0]]
        match step.transition:
            case Split(to):
                yield from ((target, Part(step.name, target)) for target in to)
            case Foreach(to):
                yield from ((to, Part(step.name, index)) for index in range(self.decisions.width(run)))
            case Switch():
                yield self.decisions.choice(run), None
            case _:
                yield from ((target, None) for target in step.targets)

    def _joined(self, name: str, tokens: list[Token]) -> list[tuple[Stack, list[Run]]]:
        groups: dict[tuple[Stack, str], dict[str | int, Run]] = {}
        for parent, stack in tokens:
            if not stack or not parent or parent[0] == stack[-1].split:
                raise Wrong(f"{name} joins nothing")
            parts = groups.setdefault((stack[:-1], stack[-1].split), {})
            if stack[-1].part in parts:
                raise Wrong(f"{stack[-1]} comes twice to {name}")
            parts[stack[-1].part] = parent
        for (outer, split), parts in groups.items():
            if set(parts) != set(self._parts(split, path_of(outer))):
                raise Wrong(f"{name} lacks parts of {split}")
        return [
            (outer, [parts[part] for part in self._parts(split, path_of(outer))])
            for (outer, split), parts in groups.items()
        ]

    def _parts(self, split: str, path: str) -> list[str | int]:
        transition = self.graph[split].transition
        if isinstance(transition, Split):
            return list(transition.to)
        return list(range(self.decisions.width((split, path))))


def _plain(tokens: list[Token]) -> list[tuple[Stack, list[Run]]]:
    return [(stack, [parent] if parent else []) for parent, stack in tokens]


def in_order(graph: Graph) -> list[str]:
    """The steps that the start leads to, each after all that lead to it."""
    reached: set[str] = set()
    waiting = [graph.start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += graph[name].targets
    order: list[str] = []
    while len(order) < len(reached):
        order.append(
            next(
                name
                for name in graph.steps
                if name in reached
                and name not in order
                and not any(name in graph[o].targets for o in reached if o not in order and o != name)
            )
        )
    return order


def every_run(graph: Graph) -> Iterator[Mapping[Run, tuple[Run, ...]]]:
    """What each way through a graph means, its foreaches having two items; `Wrong` if one has no meaning."""
    waiting: list[tuple[int, ...]] = [()]
    around: dict[str, tuple[str, ...]] = {}
    while waiting:
        way = _Way(graph, waiting.pop())
        try:
            yield _Walk(graph, Decisions(width=lambda run: 2, choice=way.choice), around=around).walk()
        finally:
            waiting += way.others()


@dataclass
class _Way:
    """Choices in the order in which they are made: the first as given, then always the first case."""

    graph: Graph
    given: tuple[int, ...]
    ways: list[int] = field(default_factory=list)
    """How many ways there were at each choice."""

    def choice(self, run: Run) -> str:
        targets = [target for target in self.graph[run[0]].targets if target != run[0]]
        place = len(self.ways)
        self.ways.append(len(targets))
        return targets[self.given[place] if place < len(self.given) else 0]

    def others(self) -> Iterator[tuple[int, ...]]:
        """The ways that begin like this one and then differ."""
        for place in range(len(self.given), len(self.ways)):
            first = (*self.given, *[0] * (place - len(self.given)))
            yield from ((*first, other) for other in range(1, self.ways[place]))
