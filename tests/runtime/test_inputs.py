"""A task finds its parents by names alone: those that the flow means, whatever was chosen, and with few requests."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flow_meaning import Decisions, Run, meaning
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.errors import MissingKeyError, StepError
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Step, Switch, Transition
from metaflow_hera.naming import IndexPath, RunKeys
from metaflow_hera.records import tasks
from metaflow_hera.records.task import Frame, TaskRecord, TaskStatus
from metaflow_hera.runtime.inputs import Items, Place
from metaflow_hera.store import Data, Version

KEYS = RunKeys("Flow", "1")


@dataclass
class Memory:
    """A store in this process, which counts what is asked of it."""

    kept: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    uri: str = "memory"
    parallelism: int = 1

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        self.asked["put"] += 1
        self.kept[key] = b"".join(parts)
        return Version("1")

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        self.asked["get"] += 1
        if key not in self.kept:
            raise MissingKeyError(key)
        return self.kept[key][start:end]

    def head(self, key: str) -> Version:
        self.asked["head"] += 1
        return Version("1" if key in self.kept else "")

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        self.asked["keys"] += 1
        found = [key for key in self.kept if key.startswith(prefix)]
        ends = [key if deep else prefix + "".join(key[len(prefix) :].partition("/")[:2]) for key in found]
        return iter(sorted(set(ends)))


def leave(store: Memory, graph: Graph, step: str, path: str, *following: str, splits: int | None = None) -> None:
    """What a task leaves that succeeded at once."""
    indexes = () if path.partition("~")[0] == "0" and not graph.foreaches(step) else path.partition("~")[0].split(".")
    frames = tuple(
        Frame(step=split, over="xs", index=int(index), count=9)
        for split, index in zip(graph.foreaches(step), indexes, strict=True)
    )
    record = TaskRecord(
        step=step,
        path=path,
        attempt=0,
        status=TaskStatus.SUCCEEDED,
        started=0,
        finished=1,
        frames=frames,
        next=following,
        splits=splits,
    )
    tasks.write(store, KEYS, record)


def place(store: Memory, graph: Graph, step: str, path: str) -> Place:
    index_path = IndexPath.parse(path, len(graph.foreaches(step)))
    return Place(store=store, keys=KEYS, graph=graph, step=step, path=index_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(max_leaves=6, decorated=False), st.integers(0, 2**32))
def test_a_task_finds_the_parents_that_the_flow_means(graph: Graph, seed: int) -> None:
    def chance(run: Run) -> random.Random:
        return random.Random(f"{seed} {run}")

    decisions = Decisions(
        width=lambda run: chance(run).randint(1, 3),
        choice=lambda run: chance(run).choice([target for target in graph[run[0]].targets if target != run[0]]),
    )
    rounds = {name: random.Random(f"{seed} {name}").randint(1, 12) for name in graph.steps}
    store, meant = Memory(), meaning(graph, decisions)
    for step, path in meant:
        following, splits = graph[step].targets, None
        if isinstance(graph[step].transition, Switch):
            following = (decisions.choice((step, path)),)
        elif isinstance(graph[step].transition, Foreach):
            splits = decisions.width((step, path))
        for number in range(rounds[step] - 1 if graph.repeats(step) else 0):
            leave(store, graph, step, f"{path}~{number}", step)
        last = f"{path}~{rounds[step] - 1}" if graph.repeats(step) else path
        leave(store, graph, step, last, *following, splits=splits)

    for (step, path), parents in meant.items():
        first = f"{path}~0" if graph.repeats(step) else path
        ended = [f"{name}/{at}~{rounds[name] - 1}" if graph.repeats(name) else f"{name}/{at}" for name, at in parents]
        assert [f"{each.step}/{each.path}" for each in place(store, graph, step, first).parents] == ended
        for number in range(1, rounds[step] if graph.repeats(step) else 0):
            (before,) = place(store, graph, step, f"{path}~{number}").parents
            assert (before.step, before.path) == (step, f"{path}~{number - 1}")


def graph(joins: str = "", **transitions: Transition) -> Graph:
    steps = {
        name: Step(name=name, transition=transition, is_join=name in joins.split())
        for name, transition in transitions.items()
    }
    return Graph(flow="Flow", steps=steps)


LOOP = graph(start=Linear("poll"), poll=Switch((("'again'", "poll"), ("'done'", "end")), "state"), end=End())


def test_what_follows_a_thousand_iterations_finds_the_last_one_by_a_list_and_a_read() -> None:
    store = Memory()
    leave(store, LOOP, "start", "0", "poll")
    for number in range(1000):
        leave(store, LOOP, "poll", f"0~{number}", "poll" if number < 999 else "end")
    store.asked.clear()

    (parent,) = place(store, LOOP, "end", "0").parents

    assert parent.path == "0~999"
    assert store.asked == {"keys": 1, "get": 1}


def test_what_follows_a_loop_that_has_not_ended_does_not_run() -> None:
    store = Memory()
    leave(store, LOOP, "start", "0", "poll")
    leave(store, LOOP, "poll", "0~0", "poll")

    with pytest.raises(StepError, match="step 'end', task 0: no successful task poll/0 of run 1"):
        place(store, LOOP, "end", "0").parents  # noqa: B018


def test_a_join_reads_only_the_branches_that_ran() -> None:
    look = Switch((("1", "a"), ("2", "b"), ("3", "join")), "kind")
    forked = graph(
        "join",
        start=Foreach("look", "xs"),
        look=look,
        a=Linear("join"),
        b=Linear("join"),
        join=Linear("end"),
        end=End(),
    )
    store = Memory()
    leave(store, forked, "start", "0", "look", splits=90)
    for index in range(90):
        way = ("a", "b", "join")[index % 3]
        leave(store, forked, "look", str(index), way)
        if way != "join":
            leave(store, forked, way, str(index), "join")
    store.asked.clear()

    found = [f"{each.step}/{each.path}" for each in place(store, forked, "join", "0").parents]

    assert found[:4] == ["a/0", "b/1", "look/2", "a/3"]
    assert len(found) == 90
    assert store.asked == {"keys": 3, "get": 1 + 90 + 60}, "a list for each step that leads there"


def test_a_task_of_a_gang_has_its_index_for_an_item() -> None:
    gang = graph("join", start=Foreach("work", "", gang=True), work=Linear("join"), join=Linear("end"), end=End())
    store = Memory()
    leave(store, gang, "start", "0", "work", splits=3)
    at = place(store, gang, "work", "2")

    (frame,) = Items(at).frames(at.frames, at.path)

    assert (frame.over, frame.index, frame.count, frame.item()) == ("", 2, 3, 2)
    with pytest.raises(StepError, match="step 'work' has no task 3: step 'start' made 3 items"):
        place(store, gang, "work", "3").frames  # noqa: B018
