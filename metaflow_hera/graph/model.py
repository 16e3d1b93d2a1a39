"""The model of a flow: steps, transitions, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from metaflow_hera.errors import Problem


@dataclass(frozen=True, slots=True)
class Linear:
    """``self.next(self.a)``"""

    to: str


@dataclass(frozen=True, slots=True)
class Split:
    """``self.next(self.a, self.b)``"""

    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreach:
    """``self.next(self.a, foreach="xs")``, or, of a gang, ``self.next(self.a, num_parallel=4)``"""

    to: str
    over: str
    gang: bool = False
    """All tasks run at the same time and know each other; they have no items, and *over* is empty."""


@dataclass(frozen=True, slots=True)
class Switch:
    """``self.next({"x": self.a}, condition="kind")``"""

    cases: tuple[tuple[str, str], ...]
    """Value of the condition, written as Python would, and the step it leads to."""
    condition: str


@dataclass(frozen=True, slots=True)
class End:
    """No ``self.next``: the flow is over."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Something that is no transition; no graph with one passes the check."""

    reason: str
    """What was found and what to write, as the end of a sentence that begins with the step."""


Transition = Linear | Split | Foreach | Switch | End | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoratorSpec:
    """A decorator as written down: its name and its attributes."""

    name: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    arguments: tuple[object, ...] = ()
    """What was given without a name, which only mutators take."""
    kind: Any = field(default=None, compare=False, repr=False)
    """The class behind it, of a decorator or mutator of the user's own."""
    made: Any = field(default=None, compare=False, repr=False)
    """The mutator itself, once it had a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as far as its source and its decorators tell."""

    name: str
    transition: Transition
    is_join: bool = False
    decorators: tuple[DecoratorSpec, ...] = ()
    doc: str = ""
    file: str | None = None
    line: int | None = None
    next_line: int | None = None
    """Where ``self.next`` is."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The steps that can come next, each once, in the order written."""
        match self.transition:
            case Linear(to) | Foreach(to=to):
                return (to,)
            case Split(to):
                return to
            case Switch(cases):
                return tuple(dict.fromkeys(target for _, target in cases))
            case End() | Unclear():
                return ()

    def decorator(self, name: str) -> DecoratorSpec | None:
        return next((spec for spec in self.decorators if spec.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A whole flow. What is derived holds for graphs that passed `graph.check`; before, it may lack entries."""

    flow: str
    steps: Mapping[str, Step]
    """In the order of the source."""
    start: str = "start"
    end: str = "end"
    decorators: tuple[DecoratorSpec, ...] = ()
    """Those of the flow itself, its own and inherited ones."""
    doc: str = ""
    file: str | None = None
    defects: tuple[Problem, ...] = ()
    """What is wrong with the source of the flow and cannot be said by steps and transitions."""

    def __getitem__(self, step: str) -> Step:
        return self.steps[step]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps.values())

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """The steps that lead to each step, in the order in which a walk from the start meets them."""
        found: dict[str, list[str]] = {name: [] for name in self.steps}
        for name in self.order:
            for target in self.steps[name].targets:
                if target in found and target != name:
                    found[target].append(name)
        return {name: tuple(parents) for name, parents in found.items()}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All steps that the start leads to, each after everything that leads to it, branches as written."""
        done: dict[str, None] = {}
        stack: list[tuple[str, Iterator[str]]] = []
        entered: set[str] = set()
        if self.start in self.steps:
            stack.append((self.start, self._reversed_targets(self.start)))
            entered.add(self.start)
        while stack:
            name, targets = stack[-1]
            following = next((target for target in targets if target in self.steps and target not in entered), None)
            if following is None:
                stack.pop()
                done[name] = None
            else:
                entered.add(following)
                stack.append((following, self._reversed_targets(following)))
        return tuple(reversed(done))

    def _reversed_targets(self, step: str) -> Iterator[str]:
        return reversed(self.steps[step].targets)

    @cached_property
    def scopes(self) -> Mapping[str, tuple[str, ...]]:
        """For each step, the splits (static and foreach) that are open when it runs, outermost first.

        A split itself lies in what is open before it; a join in what is left after it closed the innermost.
        """
        scopes: dict[str, tuple[str, ...]] = {}
        for name in self.order:
            step = self.steps[name]
            parents = self.parents[name]
            inherited = self._scope_after(parents[0], scopes) if parents else ()
            scopes[name] = inherited[:-1] if step.is_join else inherited
        return scopes

    def _scope_after(self, step: str, scopes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        opens = isinstance(self.steps[step].transition, Split | Foreach)
        return (*scopes.get(step, ()), step) if opens else scopes.get(step, ())

    def foreaches(self, step: str) -> tuple[str, ...]:
        """The foreach splits around a step, outermost first; their number is the depth of its index path."""
        return tuple(split for split in self.scopes[step] if isinstance(self.steps[split].transition, Foreach))

    def repeats(self, step: str) -> bool:
        """Whether a step may come after itself: its tasks are iterations, one after the other in one process."""
        return isinstance(self.steps[step].transition, Switch) and step in self.steps[step].targets

    @cached_property
    def joins(self) -> Mapping[str, str]:
        """For each split and foreach, the step that joins it."""
        found: dict[str, str] = {}
        for name in self.order:
            if self.steps[name].is_join and self.parents[name]:
                opened = self._scope_after(self.parents[name][0], self.scopes)
                if opened:
                    found[opened[-1]] = name
        return found

    def split_of(self, join: str) -> str:
        """The split or foreach that a join closes."""
        return next(split for split, closing in self.joins.items() if closing == join)
