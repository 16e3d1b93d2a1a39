"""The check of splits, switches and joins is exact: it takes a graph if every way through it makes sense."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from flow_meaning import Wrong, every_run, in_order
from graph_strategies import graphs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metaflow_hera.graph.balance import imbalances
from metaflow_hera.graph.check import cycles, problems
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Split, Step, Switch, Transition

MANY_WAYS = 500
"""Of the ways through one graph so many are tried."""

thoroughly = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def makes_sense(graph: Graph) -> bool:
    """Whether each way through the graph runs each step once, and each join on all of its inputs."""
    try:
        return all(runs for runs in islice(every_run(graph), MANY_WAYS))
    except Wrong:
        return False


@st.composite
def wild_graphs(draw: st.DrawFn) -> Graph:
    """Any steps that lead forward to others, a few of them joins."""
    count = draw(st.integers(2, 6))
    names = ["start", *(f"s{number}" for number in range(1, count)), "end"]
    steps = {"end": Step(name="end", transition=End())}
    for place, name in reversed(list(enumerate(names[:-1]))):
        is_join = bool(place) and draw(st.integers(0, 2)) == 0
        steps[name] = Step(name=name, transition=_forward(draw, names[place + 1 :], is_join), is_join=is_join)
    return Graph(flow="Wild", steps=steps)


def _forward(draw: st.DrawFn, later: list[str], is_join: bool) -> Transition:
    targets = draw(st.lists(st.sampled_from(later[:4]), min_size=1, max_size=3, unique=True))
    if len(targets) == 1:
        return Foreach(targets[0], "xs") if not is_join and draw(st.integers(0, 3)) == 0 else Linear(targets[0])
    if is_join:
        return Linear(targets[0])
    if draw(st.booleans()):
        return Split(tuple(targets))
    return Switch(tuple((str(number), target) for number, target in enumerate(targets)), "kind")


@st.composite
def changed_graphs(draw: st.DrawFn) -> Graph:
    """A graph that makes sense but for one step, which goes elsewhere, or is a join or none."""
    graph = draw(graphs(max_leaves=5, decorated=False))
    name = draw(st.sampled_from([name for name in graph.order if name != graph.end]))
    step, steps = graph[name], dict(graph.steps)
    if name != graph.start and draw(st.booleans()):
        steps[name] = replace(step, is_join=not step.is_join)
    else:
        old = draw(st.sampled_from(step.targets))
        new = draw(st.sampled_from(list(steps)))
        steps[name] = replace(step, transition=_led(step.transition, old, new))
    return replace(graph, steps=steps)


def _led(transition: Transition, old: str, new: str) -> Transition:
    """*transition* to *new* instead of *old*."""

    def led(target: str) -> str:
        return new if target == old else target

    match transition:
        case Linear(to):
            return Linear(led(to))
        case Foreach(to, over, gang):
            return Foreach(led(to), over, gang)
        case Split(to):
            return Split(tuple(map(led, to)))
        case Switch(cases, condition):
            return Switch(tuple((value, led(target)) for value, target in cases), condition)
        case _:
            return transition


def is_comparable(graph: Graph) -> bool:
    """Whether nothing but splits and joins can be wrong with it."""
    repeated = any(
        step.name in step.targets and not (graph.repeats(step.name) and set(step.targets) - {step.name})
        for step in graph
    )
    twice = any(
        isinstance(step.transition, Split) and len(set(step.transition.to)) < len(step.transition.to) for step in graph
    )
    is_start_led_to = any(graph.start in step.targets for step in graph)
    return not (repeated or twice or is_start_led_to or cycles(graph) or graph[graph.end].is_join)


@thoroughly
@given(wild_graphs() | changed_graphs())
def test_a_graph_is_taken_if_every_way_through_it_makes_sense(graph: Graph) -> None:
    assume(is_comparable(graph))
    graph = replace(graph, steps={name: graph[name] for name in in_order(graph)})

    assert (list(imbalances(graph)) == []) == makes_sense(graph)


@settings(parent=thoroughly, max_examples=60)
@given(graphs())
def test_a_graph_that_is_put_together_well_is_taken_and_makes_sense(graph: Graph) -> None:
    assert problems(graph) == ()
    assert makes_sense(graph)
