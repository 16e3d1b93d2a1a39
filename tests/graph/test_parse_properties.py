"""Generated flows: what was written is what is read."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from flow_meaning import Decisions, meaning
from flow_oracle import run_oracle
from graph_strategies import chosen_step, flow_source, graphs
from hypothesis import HealthCheck, given, settings

from metaflow_hera.flow.load import load_flow
from metaflow_hera.graph.as_json import from_json, to_json
from metaflow_hera.graph.check import problems
from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import iteration_of

unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def as_written(graph: Graph) -> list[tuple[object, ...]]:
    return [(step.name, step.transition, step.is_join, step.decorators) for step in graph]


def parsed(graph: Graph, folder: Path) -> Graph:
    file = folder / "generated_flow.py"
    file.write_text(flow_source(graph), encoding="utf-8")
    return parse(load_flow(file))


@in_one_folder
@given(graphs())
def test_a_flow_is_parsed_to_the_graph_that_it_was_written_from(tmp_path: Path, graph: Graph) -> None:
    found = parsed(graph, tmp_path)

    assert as_written(found) == as_written(graph)
    assert problems(found) == ()


@unhurried
@given(graphs())
def test_a_graph_survives_json(graph: Graph) -> None:
    assert from_json(json.loads(json.dumps(to_json(graph)))) == graph


@unhurried
@given(graphs(decorated=False))
def test_a_step_comes_after_all_that_lead_to_it_and_every_split_has_its_join(graph: Graph) -> None:
    place = {name: number for number, name in enumerate(graph.order)}

    assert set(place) == set(graph.steps)
    assert all(place[step.name] < place[target] for step in graph for target in step.targets if target != step.name)
    assert all(graph[join].is_join and graph.split_of(join) == split for split, join in graph.joins.items())
    assert graph.scopes["end"] == ()
    for split, join in graph.joins.items():
        assert graph.scopes[split] == graph.scopes[join]
        if isinstance(graph[split].transition, Foreach):
            body = [name for name in graph.order if split in graph.scopes[name]]
            assert body
            assert all(graph.foreaches(name)[: len(graph.foreaches(split)) + 1][-1] == split for name in body)


@settings(parent=in_one_folder, max_examples=25)
@given(graphs(max_leaves=4, decorated=False))
def test_a_generated_flow_runs_the_tasks_that_its_graph_means(tmp_path: Path, graph: Graph) -> None:
    file = tmp_path / "generated_flow.py"
    file.write_text(flow_source(graph), encoding="utf-8")

    tasks = run_oracle(load_flow(file)).tasks

    meant = meaning(graph, Decisions(width=lambda run: 2, choice=partial(chosen_step, graph)))
    assert {(step, path.partition("~")[0]) for step, path in tasks} == meant.keys()
    assert {step for step, path in tasks if iteration_of(path) is not None} <= {*filter(graph.repeats, graph.steps)}
