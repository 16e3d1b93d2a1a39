"""`current` inside and outside of a task."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import metaflow_hera
from metaflow_hera import FlowSpec, Parameter, current, kubernetes, namespace, retry, run, step
from metaflow_hera.flow.current import Later, TaskFacts, enter, leave, provided


@pytest.fixture
def a_task() -> Iterator[None]:
    enter(TaskFacts(flow_name="F", run_id="1", step_name="fit", task_id="3", retry_count=2, tags=frozenset({"x"})))
    yield
    leave()


@pytest.mark.usefixtures("a_task")
def test_a_task_has_facts() -> None:
    assert current.is_running_flow
    assert (current.flow_name, current.run_id, current.step_name, current.task_id) == ("F", "1", "fit", "3")
    assert (current.pathspec, current.retry_count, current.tags) == ("F/1/fit/3", 2, {"x"})
    assert (current.origin_run_id, current.get("origin_run_id", "none"), current.get("step_name")) == (
        None,
        "none",
        "fit",
    )
    assert "run_id" in current
    assert "project_name" not in current
    assert current.get("project_name", 5) == 5


def test_outside_of_a_task_there_are_none() -> None:
    assert not current.is_running_flow
    assert (current.run_id, current.pathspec, current.tags, current.parameter_names) == (None, None, frozenset(), [])
    assert current.username == "tester"


def test_an_unknown_fact_is_told_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"current has no 'runid'; it has flow_name, graph, graph_info, .*run_id"):
        _ = current.runid
    assert {"run_id", "get"} <= set(dir(current))


class Asking(FlowSpec):
    """A flow that asks for everything."""

    alpha = Parameter("the-alpha", default=1)
    k = 5

    @kubernetes(use_tmpfs=True)
    @retry
    @step
    def start(self):
        self.facts = {name: current.get(name) for name in FACTS}
        self.paths = (current.task.pathspec, current.run.pathspec, current.pathspec)
        self.is_seen = (current.run.finished, current.task.successful, current.task.current_attempt)
        self.tags = (current.tags, current.run.user_tags)
        self.graph = current.graph
        self.same = current.graph == current.graph_info
        self.absent = (current.trigger, current.tempdir, current.spot_termination_notice, "trigger" in current)
        self.own = (self._current_step, self._foreach_stack, self._graph["start"].out_funcs)
        current.run.add_tag("seen at once")
        self.after = current.run.user_tags
        self.items = ["a", "b"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        (frame,) = self._foreach_stack
        self.frame = (frame.step, frame.var, frame.index, frame.num_splits, frame.value)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.frames = [each.frame for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


FACTS = (
    *("flow_name", "step_name", "task_id", "retry_count", "origin_run_id", "username", "namespace"),
    *("parameter_names", "is_running_flow"),
)


def test_a_step_may_ask_for_everything() -> None:
    namespace("user:somebody")  # of another, whose runs are others
    made = run(Asking, tags=("mine",))
    namespace(None)
    data = made["start"].task.data

    assert data.facts == {
        "flow_name": "Asking",
        "step_name": "start",
        "task_id": "0",
        "retry_count": 0,
        "origin_run_id": None,
        "username": "tester",
        "namespace": "user:tester",
        "parameter_names": ["alpha"],
        "is_running_flow": True,
    }
    assert data.paths == (f"{made.pathspec}/start/0", made.pathspec, f"{made.pathspec}/start/0")
    assert data.is_seen == (False, False, 0)
    assert data.tags == (frozenset({"mine"}), frozenset({"mine"}))
    assert data.after == {"mine", "seen at once"}
    assert data.absent == (None, None, None, False)
    assert data.own == ("start", [], ["work"])
    assert made["join"].task.data.frames == [("start", "items", 0, 2, "a"), ("start", "items", 1, 2, "b")]


def test_the_graph_of_a_task_is_a_dictionary() -> None:
    made = run(Asking)
    data = made["start"].task.data

    assert data.same
    assert data.graph["parameters"] == [{"name": "alpha", "type": "Parameter"}]
    assert data.graph["constants"] == [{"name": "k", "type": "int"}]
    assert data.graph["graph_structure"] == ["start", [["work"]], "join", "end"]
    assert [each["name"] for each in data.graph["steps"]["start"]["decorators"]] == ["kubernetes", "retry"]
    assert data.graph["doc"] == "A flow that asks for everything."


def test_outside_of_a_task_objects_are_none_and_the_graph_is_an_error() -> None:
    assert (current.task, current.run, current.trigger, current.tempdir, current.graph_info) == (None,) * 5
    assert "graph" not in current
    assert current.get("graph", 5) == 5
    with pytest.raises(RuntimeError, match=r"current\.graph is for steps of a flow that runs"):
        _ = current.graph


def test_facts_can_be_worked_out_later_and_only_while_something_runs() -> None:
    asked: list[int] = []
    with provided({"answer": Later(lambda: asked.append(1) or 42), "other": 1}):
        assert asked == []
        assert (current.answer, current.other) == (42, 1)
        assert "answer" in dir(current)
    assert "answer" not in current
    assert asked == [1]


@pytest.mark.parametrize(
    ("wanted", "exists", "found"),
    [
        ({"use_tmpfs": True}, True, True),
        ({"tmpfs_size": 10}, True, True),
        ({"use_tmpfs": True, "tmpfs_tempdir": False}, True, False),
        ({"use_tmpfs": True}, False, False),
        ({}, True, False),
    ],
)
def test_a_folder_in_memory_is_the_temporary_one_where_there_is_one(
    tmp_path: Path, wanted: dict[str, Any], exists: bool, found: bool
) -> None:
    folder = tmp_path / "memory"
    if exists:
        folder.mkdir()

    class Temporary(FlowSpec):
        @kubernetes(tmpfs_path=str(folder), **wanted)
        @step
        def start(self):
            self.folder = current.tempdir
            self.next(self.end)

        @step
        def end(self):
            self.folder = current.tempdir

    made = run(Temporary)

    assert made["start"].task.data.folder == (str(folder) if found else None)
    assert made.data.folder is None


def test_runs_have_system_tags() -> None:
    tags = run(Asking).system_tags

    assert {"user:tester", "runtime:dev", f"metaflow_version:{metaflow_hera.__version__}"} <= tags
    assert sorted(tag.partition(":")[0] for tag in tags) == [
        "date",
        "metaflow_version",
        "python_version",
        "runtime",
        "user",
    ]
    (date,) = (tag for tag in tags if tag.startswith("date:"))
    datetime.strptime(date, "date:%Y-%m-%d")
