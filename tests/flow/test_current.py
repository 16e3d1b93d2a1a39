"""`current` inside and outside of a task."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metaflow_hera import current
from metaflow_hera.flow.current import TaskFacts, enter, leave


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
