"""A flow that looks at its own graph, and the graph as a dictionary."""

from __future__ import annotations

import json

import pytest

from metaflow_hera import FlowSpec, Parameter, retry, schedule, step
from metaflow_hera.errors import StepError
from metaflow_hera.graph.as_json import from_json, to_json
from metaflow_hera.graph.info import graph_info
from metaflow_hera.graph.parse import parse


@schedule(hourly=True)
class Shapes(FlowSpec):
    """All kinds of steps."""

    alpha = Parameter("alpha", default=1)
    k = 5

    @retry
    @step
    def start(self):
        """It splits."""
        self.next(self.left, self.right)

    @step
    def left(self):
        self.xs = [1]
        self.next(self.item, foreach="xs")

    @step
    def item(self):
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.next(self.both)

    @step
    def right(self):
        self.way = "x"
        self.next({"x": self.one, "y": self.other}, condition="way")

    @step
    def one(self):
        self.next(self.met)

    @step
    def other(self):
        self.next(self.met)

    @step
    def met(self):
        self.next(self.both)

    @step
    def both(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_a_flow_can_look_at_its_own_graph() -> None:
    graph = Shapes(use_cli=False)._graph

    assert {node.name: node.type for node in graph} == {
        "start": "split",
        "left": "foreach",
        "item": "linear",
        "gather": "join",
        "right": "split-switch",
        "one": "linear",
        "other": "linear",
        "met": "linear",
        "both": "join",
        "end": "end",
    }
    assert graph["met"].in_funcs == {"one", "other"}
    assert graph["start"].out_funcs == ["left", "right"]
    assert (graph["start"].matching_join, graph["left"].matching_join, graph["item"].matching_join) == (
        "both",
        "gather",
        None,
    )
    assert graph["left"].foreach_param == "xs"
    assert (graph["right"].condition, set(graph["right"].switch_cases.values())) == ("way", {"one", "other"})
    assert (graph["item"].is_inside_foreach, graph["gather"].is_inside_foreach) == (True, False)
    assert graph["item"].split_parents == ["start", "left"]
    assert (graph["both"].num_args, graph["end"].num_args) == (2, 1)
    assert not any(node.parallel_step or node.parallel_foreach for node in graph)
    assert "start" in graph
    assert "nothing" not in graph
    assert (graph.start_step, graph.end_step, graph.name, graph.sorted_nodes[0]) == ("start", "end", "Shapes", "start")


def test_outside_of_a_task_a_flow_has_no_current_step() -> None:
    with pytest.raises(StepError, match="Shapes runs no step here"):
        _ = Shapes(use_cli=False)._current_step


def test_a_graph_is_told_as_a_dictionary() -> None:
    graph = parse(Shapes)
    told = graph_info(graph, {"alpha": "Parameter"}, {"k": "int"})

    assert told["file"] == "test_graph_view.py"
    assert told["parameters"] == [{"name": "alpha", "type": "Parameter"}]
    assert told["constants"] == [{"name": "k", "type": "int"}]
    assert (told["doc"], told["start_step"], told["end_step"]) == ("All kinds of steps.", "start", "end")
    assert told["decorators"][0]["name"] == "schedule"
    assert told["decorators"][0]["attributes"]["hourly"] is True
    steps = told["steps"]
    assert steps["start"]["type"] == "split-static"
    assert steps["start"]["doc"] == "It splits."
    assert steps["start"]["decorators"] == [{"name": "retry", "attributes": {"times": 3, "minutes_between_retries": 2}}]
    assert steps["left"]["foreach_artifact"] == "xs"
    assert steps["left"]["matching_join"] == "gather"
    assert steps["both"]["next"] == ["end"]
    assert told["graph_structure"] == [
        "start",
        [
            ["left", [["item"]], "gather"],
            ["right", [["one"], ["other"]], "met"],
        ],
        "both",
        "end",
    ]


def test_the_dictionary_of_a_stored_graph_is_that_of_the_flow() -> None:
    graph = parse(Shapes)
    stored = from_json(json.loads(json.dumps(to_json(graph))))

    assert graph_info(stored, {}, {}) == graph_info(graph, {}, {})
