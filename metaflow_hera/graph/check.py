"""The rules of a flow: one function for each, and all problems told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.flow.decorators import STEP_DECORATORS, problems_of
from metaflow_hera.flow.spec import RESERVED
from metaflow_hera.graph.balance import imbalances
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Split, Step, Switch, Unclear

Rule = Callable[[Graph], Iterator[Problem]]
RULES: list[Rule] = []
"""Filled while this module is imported, only read afterwards."""

NAME_LIMIT = 200
"""Bytes of a step's name: it is part of file names."""


def check(graph: Graph) -> None:
    """Raise `FlowError` with everything that is wrong with a flow."""
    if found := problems(graph):
        raise FlowError(found)


def problems(graph: Graph) -> tuple[Problem, ...]:
    """Everything that is wrong with a flow, in the order of its source."""
    found = [*graph.defects, *(problem for rule in RULES for problem in rule(graph))]
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: (problem.file or "", problem.line or 0)))


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def _at(step: Step, text: str, *, of_next: bool = False) -> Problem:
    line = step.next_line if of_next and step.next_line else step.line
    return Problem(f"step {step.name!r} {text}", step.file, line)


@rule
def there_is_a_start_and_an_end(graph: Graph) -> Iterator[Problem]:
    where = f"flow {graph.flow}"
    if not graph.steps:
        yield Problem(f"{where} has no steps; write @step right above the methods that are its steps", graph.file)
        return
    if graph.start not in graph.steps:
        yield Problem(f"{where} has no first step; call it 'start', or mark it with @step(start=True)", graph.file)
    if graph.end not in graph.steps:
        yield Problem(f"{where} has no last step; call it 'end', or mark it with @step(end=True)", graph.file)


@rule
def names_are_free(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.name in RESERVED or step.name == "_parameters":
            yield _at(step, "has a name that every flow has already; rename it")
        if len(step.name.encode()) > NAME_LIMIT:
            yield _at(step, f"has a name of more than {NAME_LIMIT} bytes; shorten it")


@rule
def the_start_begins(graph: Graph) -> Iterator[Problem]:
    start = graph.steps.get(graph.start)
    if start is None:
        return
    if start.is_join:
        yield _at(start, "is the first one, but takes inputs; write `def " + start.name + "(self):`")
    for step in graph:
        if start.name in step.targets and step is start:
            yield _at(step, "is the first one, and cannot repeat itself; repeat a step after it", of_next=True)
        elif start.name in step.targets:
            yield _at(step, f"goes to {start.name!r}, the first step, to which nothing may lead", of_next=True)


@rule
def the_end_ends(graph: Graph) -> Iterator[Problem]:
    end = graph.steps.get(graph.end)
    if end is None:
        return
    if not isinstance(end.transition, End) and end.next_line is not None:
        yield _at(end, "is the last one, but calls self.next(); remove that", of_next=True)
    if end.is_join and end.name != graph.start:
        yield _at(end, "is the last one, but takes inputs; write a step before it that joins the branches")


@rule
def every_other_step_goes_on(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if isinstance(step.transition, End) and step.name != graph.end:
            yield _at(step, "has no self.next(); write one as its last statement, for example self.next(self.end)")


@rule
def transitions_are_clear(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if isinstance(step.transition, Unclear) and step.transition.reason and step.name != graph.end:
            yield _at(step, step.transition.reason, of_next=True)


@rule
def what_repeats_comes_to_an_end(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.targets == (step.name,) and graph.repeats(step.name) and step.name != graph.end:
            yield _at(step, "can only repeat itself; lead one case of its condition to the step after it", of_next=True)


@rule
def targets_are_steps(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        for target in step.targets:
            if target not in graph.steps:
                close = get_close_matches(target, graph.steps, n=1)
                advice = (
                    f"did you mean {close[0]!r}?"
                    if close
                    else f"add a method {target!r} with @step, or correct the name"
                )
                yield _at(step, f"goes to {target!r}, which is not a step; {advice}", of_next=True)


@rule
def a_join_does_not_split(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.is_join and isinstance(step.transition, Split | Foreach | Switch):
            yield _at(step, "takes inputs and also splits; join in one step and split in the next")


_WAY_OUT = "only a step alone can repeat itself, by a condition, so lead one of these elsewhere"


@rule
def there_are_no_cycles(graph: Graph) -> Iterator[Problem]:
    for cycle in cycles(_ended(graph)):
        way = " -> ".join((*cycle, cycle[0]))
        yield _at(graph[cycle[0]], f"is part of a loop, {way}; {_WAY_OUT}", of_next=True)


@rule
def every_step_can_be_reached(graph: Graph) -> Iterator[Problem]:
    is_whole = all(
        not isinstance(step.transition, Unclear) and all(target in graph.steps for target in step.targets)
        for step in graph
    )
    if not is_whole or graph.start not in graph.steps:
        return  # what is missing there may well lead here
    reached = set(graph.order)
    for step in graph:
        if step.name not in reached:
            yield _at(step, f"cannot be reached from {graph.start!r}; lead a step to it, or remove it")


@rule
def splits_and_joins_are_balanced(graph: Graph) -> Iterator[Problem]:
    ended = _ended(graph)
    reached = set(ended.order)
    has_order = not any(graph.start in step.targets for step in ended)
    if has_order and not any(reached & set(cycle) for cycle in cycles(ended)):
        yield from (_at(graph[name], text) for name, text in imbalances(ended))


def _ended(graph: Graph) -> Graph:
    """The flow as if its last step were one: what that leads to is told by its own rule."""
    steps = {step.name: replace(step, transition=End()) if step.name == graph.end else step for step in graph}
    return replace(graph, steps=steps)


@rule
def decorators_are_written_once(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        names = [spec.name for spec in step.decorators if spec.kind is None]
        for name in dict.fromkeys(names):
            if names.count(name) > 1 and not (name in STEP_DECORATORS and STEP_DECORATORS[name].repeats):
                yield _at(step, f"has @{name} {names.count(name)} times; keep one")


@rule
def decorators_have_values_that_can_be(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        for spec in step.decorators:
            if spec.name in STEP_DECORATORS:
                yield from (
                    Problem(f"step {step.name!r}: {text}", step.file, step.line)
                    for text in problems_of(spec, STEP_DECORATORS)
                )


@rule
def catch_is_not_on_a_step_whose_failure_leaves_no_way_on(graph: Graph) -> Iterator[Problem]:
    for step in graph:
        if step.decorator("catch") and isinstance(step.transition, Foreach | Switch):
            missing = "how many tasks come next" if isinstance(step.transition, Foreach) else "which step comes next"
            yield _at(step, f"has @catch, but if it failed nobody would know {missing}; remove @catch here")


@rule
def gangs_are_parallel_steps(graph: Graph) -> Iterator[Problem]:
    gangs = {step.targets[0]: step for step in graph if isinstance(step.transition, Foreach) and step.transition.gang}
    for step in graph:
        is_parallel = step.decorator("parallel") is not None
        if step.name in gangs:
            yield from _gang_problems(graph, step, f"is run by num_parallel of step {gangs[step.name].name!r}")
        elif is_parallel:
            example = f"self.next(self.{step.name}, num_parallel=2)"
            yield _at(step, f"has @parallel, but no step leads to it by num_parallel; write {example}, or remove it")
        if is_parallel and step.decorator("catch"):
            yield _at(step, "has @catch and @parallel, but when one task fails the others cannot go on; remove @catch")


def _gang_problems(graph: Graph, step: Step, what: str) -> Iterator[Problem]:
    if not step.decorator("parallel"):
        yield _at(step, f"{what}, but has no @parallel; write it above its @step")
    match step.transition:
        case End() | Unclear():
            return  # told by rules of their own
        case Linear(to) if _is_join(graph, to):
            return
        case _:
            text = f"{what}, so it must go on to a join at once; write self.next(self.a), and `def a(self, inputs):`"
            yield _at(step, text, of_next=True)


def _is_join(graph: Graph, name: str) -> bool:
    """Whether the step is one, or nobody knows because it is not there."""
    return name not in graph.steps or graph[name].is_join


def cycles(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Loops of steps, no step in two of them; no switch back to its own step, and no way back to the start."""
    following = {
        step.name: [
            target
            for target in step.targets
            if target in graph.steps
            and target != graph.start
            and not (target == step.name and isinstance(step.transition, Switch))
        ]
        for step in graph
    }
    found = []
    while following := _without_ends(following):
        way = [next(iter(following))]
        while following[way[-1]][0] not in way:
            way.append(following[way[-1]][0])
        cycle = tuple(way[way.index(following[way[-1]][0]) :])
        found.append(cycle)
        following = {name: targets for name, targets in following.items() if name not in cycle}
    return tuple(found)


def _without_ends(following: dict[str, list[str]]) -> dict[str, list[str]]:
    """The steps from which one can go on forever."""
    while True:
        kept = {name: [target for target in targets if target in following] for name, targets in following.items()}
        kept = {name: targets for name, targets in kept.items() if targets}
        if len(kept) == len(following):
            return kept
        following = kept
