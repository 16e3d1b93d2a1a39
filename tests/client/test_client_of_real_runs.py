"""What the Client tells about runs of flows that really ran: lineage, metadata, beginnings, datastores."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from metaflow_hera import Flow, FlowSpec, Parameter, Run, Step, Task, namespace, parallel, retry, run, step
from metaflow_hera.client import (
    default_metadata,
    default_namespace,
    get_metadata,
    metadata,
)
from metaflow_hera.errors import InvalidPathError, MetaflowHeraError, NotFoundError, TaggingError, UsageError
from metaflow_hera.settings import Settings


class Lineage(FlowSpec):
    """A flow with every kind of transition."""

    alpha = Parameter("alpha", default=1)
    constant = "c"

    @step
    def start(self):
        self.items = [0, 1]
        self.next(self.fan, self.loop)

    @step
    def fan(self):
        self.next(self.body, foreach="items")

    @retry(times=1, minutes_between_retries=0)
    @step
    def body(self):
        from metaflow_hera import current

        if current.retry_count == 0 and self.input == 1:
            raise ValueError("the first attempt")
        print("attempt", current.retry_count)
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.next(self.meet)

    @step
    def loop(self):
        self.rounds = getattr(self, "rounds", 0) + 1
        self.more = self.rounds < 2
        self.next({True: self.loop, False: self.after}, condition="more")

    @step
    def after(self):
        self.next(self.node, num_parallel=2)

    @parallel
    @step
    def node(self):
        self.next(self.gang)

    @step
    def gang(self, inputs):
        self.next(self.meet)

    @step
    def meet(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(scope="module")
def ended(folder: Path) -> Run:
    """One run for all tests, in a datastore of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MFHERA_DATA_DIR", str(folder))
        patch.setenv("MFHERA_USER", "tester")
        return run(Lineage, alpha=3, tags=["night"])


@pytest.fixture(autouse=True)
def _choices() -> Iterator[None]:
    yield
    default_metadata()
    default_namespace()


def below(tasks: Iterator[Task]) -> list[str]:
    return [task.pathspec.split("/", 2)[2] for task in tasks]


@pytest.mark.parametrize(
    ("place", "parents", "children"),
    [
        ("start/0", [], ["fan/0", "loop/0~0"]),
        ("fan/0", ["start/0"], ["body/0", "body/1"]),
        ("body/1", ["fan/0"], ["gather/0"]),
        ("gather/0", ["body/0", "body/1"], ["meet/0"]),
        ("loop/0~0", ["start/0"], ["loop/0~1"]),
        ("loop/0~1", ["loop/0~0"], ["after/0"]),
        ("after/0", ["loop/0~1"], ["node/0", "node/1"]),
        ("node/0", ["after/0"], ["gang/0"]),
        ("meet/0", ["gather/0", "gang/0"], ["end/0"]),
        ("end/0", ["meet/0"], []),
    ],
)
def test_tasks_know_their_parents_and_children(ended: Run, place: str, parents: list[str], children: list[str]) -> None:
    step, path = place.split("/")
    task = ended[step][path]
    assert below(task.parent_tasks) == parents
    assert below(task.child_tasks) == children
    assert list(task.parent_task_pathspecs) == [f"{ended.pathspec}/{parent}" for parent in parents]
    assert list(task.child_task_pathspecs) == [f"{ended.pathspec}/{child}" for child in children]


def test_steps_know_their_parents_and_children(ended: Run) -> None:
    assert [step.id for step in ended["meet"].parent_steps] == ["gather", "gang"]
    assert [step.id for step in ended["start"].child_steps] == ["fan", "loop"]
    assert [step.id for step in ended["loop"].child_steps] == ["after"]
    assert [step.id for step in ended["loop"].parent_steps] == ["start"]
    assert list(ended["end"].child_steps) == []


def test_the_first_task_of_a_gang_is_its_control_task(ended: Run) -> None:
    node = ended["node"]
    assert len(list(node.tasks())) == 2
    assert [task.id for task in node.control_tasks()] == ["0"]
    assert node.control_task == node["0"]
    assert node["0"].metadata_dict["internal_task_type"] == "control_task"
    assert "internal_task_type" not in node["1"].metadata_dict
    assert ended["body"].control_task is None


def test_metadata_has_one_entry_of_attempt_for_each(ended: Run) -> None:
    task = ended["body"]["1"]
    attempts = [entry.value for entry in task.metadata if entry.name == "attempt"]
    assert attempts == ["0", "1"]
    known = task.metadata_dict
    assert (known["attempt"], known["attempt_ok"], known["attempt-done"]) == ("1", "True", "1")
    first = Task(task.pathspec, attempt=0, store=ended._store).metadata_dict
    assert (first["attempt"], first["attempt_ok"]) == ("0", "False")
    assert isinstance(task.metadata[0].created_at, datetime)
    assert task.metadata[0].task == task


def test_metadata_says_where_and_in_which_foreach_a_task_ran(ended: Run, folder: Path) -> None:
    known = ended["body"]["1"].metadata_dict
    assert (known["ds-type"], known["ds-root"]) == ("local", str(folder / "store"))
    assert (known["user"], known["runtime"]) == ("tester", "dev")
    assert known["foreach-execution-path"] == "fan:1"
    assert json.loads(known["foreach-stack"]) == [["fan", "items", 1, 2]]
    assert not known.keys() & {"origin-run-id", "origin-task-id", "code-package", "argo-workflow-name"}


def test_the_environment_of_a_run_is_known_from_its_steps_and_tasks(ended: Run) -> None:
    environment = ended["start"].environment_info
    assert environment == ended["start"].task.environment_info
    assert (environment["username"], environment["runtime"]) == ("tester", "dev")
    assert environment["script"] == Path(__file__).name
    assert environment["python_version"]
    assert ended["start"].task.runtime_name == "dev"
    assert ended["start"].task.code is None


def test_a_run_begins_with_a_virtual_step_that_describes_the_flow(ended: Run) -> None:
    begun = ended["_parameters"].task
    info = begun["_graph_info"].data
    assert isinstance(info, dict)
    assert info["steps"]["body"]["decorators"] == [
        {"name": "retry", "attributes": {"times": 1, "minutes_between_retries": 0}}
    ]
    assert (begun.data.alpha, begun["constant"].data) == (3, "c")
    assert begun.successful
    assert begun.metadata_dict["start_step"] == "start"
    assert list(begun.child_tasks) == []
    assert "_parameters" not in [each.id for each in ended]
    assert Task(f"{ended.pathspec}/_parameters/0", store=ended._store).data.alpha == 3
    assert ended["_parameters"].created_at == ended.created_at
    with pytest.raises(NotFoundError):
        Task(f"{ended.pathspec}/_parameters/1", store=ended._store)


def test_what_was_pickled_navigates_whatever_the_namespace(ended: Run) -> None:
    namespace("user:nobody")
    loaded: Task = pickle.loads(pickle.dumps(ended["start"].task))
    flow = loaded.parent.parent.parent
    assert [each.id for each in flow] == [ended.id]
    assert flow[ended.id].successful
    assert flow.latest_run == ended


def test_namespaces_that_were_not_checked_at_first_are_not_checked_below(ended: Run) -> None:
    namespace("user:nobody")
    assert Flow("Lineage", store=ended._store, namespace_check=False)[ended.id].data is not None


def test_a_datastore_can_be_chosen_and_given_back(ended: Run, folder: Path, tmp_path: Path) -> None:
    before = get_metadata()
    assert before == f"local@{Settings.load().datastore}"
    assert metadata(f"local@{folder / 'store'}") == f"local@{folder / 'store'}"
    assert Step(f"{ended.pathspec}/start").task.successful
    assert metadata("s3://bucket/flows") == get_metadata() == "s3://bucket/flows"
    assert metadata("local") == before
    with pytest.raises(UsageError, match="there is no service"):
        metadata("service@http://localhost:8080")
    metadata(str(tmp_path))
    assert default_metadata() == before


def test_tags_are_seen_at_once_from_everything_of_a_run(ended: Run) -> None:
    Run(ended.pathspec, store=ended._store).add_tag("seen")
    task = ended["start"].task
    assert {"night", "seen"} <= ended.tags & ended["start"].tags & task.tags & task["items"].tags
    ended.add_tag("user:tester")
    assert ended.user_tags == {"night", "seen"}
    with pytest.raises(TaggingError, match="a system tag"):
        ended.remove_tags(["night", "user:tester"])
    assert list(ended.steps("night", "absent")) == []
    ended.replace_tag("seen", "gone")
    assert ended.user_tags == {"night", "gone"}


@pytest.mark.parametrize("path", ["Lineage", "Lineage/1/start", "", "Lineage/"])
def test_a_path_of_another_length_is_none_of_a_run(path: str) -> None:
    with pytest.raises(InvalidPathError, match=r"Run expects Run\('FlowName/RunID'\)"):
        Run(path)


def test_errors_have_a_headline() -> None:
    assert InvalidPathError("x").headline != NotFoundError("x").headline
    assert MetaflowHeraError("x").headline


def test_the_failure_of_a_task_has_the_names_that_flows_look_for(ended: Run) -> None:
    failure = Task(f"{ended.pathspec}/body/1", attempt=0, store=ended._store).exception
    assert failure is not None
    assert (failure.exception, failure.type) == ("the first attempt", "ValueError")
    assert str(failure) == failure.stacktrace
    assert "Traceback" in failure.stacktrace
    assert ended["body"]["1"].exception is None


def test_logs_are_lines_after_times_that_are_not_known(ended: Run) -> None:
    task = ended["body"]["1"]
    assert list(task.loglines("stdout", meta_dict=task.metadata_dict)) == [(None, "attempt 1")]
    assert list(task.loglines("stderr", as_unicode=False)) == []
