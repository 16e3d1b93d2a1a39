"""What the Client tells about runs, from their records alone."""

from __future__ import annotations

import io
import pickle
import time
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from metaflow_hera.client import (
    DataArtifact,
    Flow,
    Metaflow,
    Run,
    Step,
    Task,
    default_namespace,
    get_namespace,
    namespace,
)
from metaflow_hera.client.trigger import Trigger
from metaflow_hera.errors import ArtifactError, NotFoundError, UsageError, WrongNamespaceError
from metaflow_hera.naming import RunKeys, data_key
from metaflow_hera.records import artifacts, runs, tags, tasks
from metaflow_hera.records.logs import STDERR, STDOUT, LogWriter
from metaflow_hera.records.run import Cause, EndRecord, RunRecord
from metaflow_hera.records.task import Claim, Failure, Frame, TaskRecord, TaskStatus
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

T0 = 1_700_000_000.0


@pytest.fixture
def store() -> Store:
    """The datastore that the Client finds by itself."""
    settings = Settings.load()
    return open_store(settings.datastore, settings)


class Writer:
    """Writes what a run would, task after task, a second each."""

    def __init__(self, store: Store, flow: str, run: str, created: float = T0, **facts: object) -> None:
        self.store, self.keys, self.clock = store, RunKeys(flow, run), created
        facts = {"system_tags": ("user:tester", "runtime:local"), **facts}
        runs.begin(store, RunRecord(flow=flow, run=run, created=created, **facts))  # type: ignore[arg-type]

    def task(
        self,
        step: str,
        path: str = "0",
        values: Mapping[str, object] | None = None,
        failure: Failure | None = None,
        **facts: object,
    ) -> TaskRecord:
        attempt = self.claim(step, path)
        self.clock += 1
        refs = artifacts.save_all(self.store, values or {})
        status = TaskStatus.FAILED if failure else TaskStatus.SUCCEEDED
        record = TaskRecord(
            step=step,
            path=path,
            attempt=attempt,
            status=status,
            started=self.clock - 1,
            finished=self.clock,
            artifacts=refs,
            failure=failure,
            **facts,  # type: ignore[arg-type]
        )
        return tasks.write(self.store, self.keys, record)

    def claim(self, step: str, path: str = "0") -> int:
        taken = Claim(started=self.clock, host="here", pid=7, user="tester")
        return tasks.claim(self.store, self.keys, step, path, 0, taken).attempt

    def end(self, status: str = "Succeeded", message: str = "") -> None:
        runs.end(
            self.store, self.keys.flow, self.keys.run, EndRecord(status=status, finished=self.clock, message=message)
        )


BOOM = Failure(type="builtins.ValueError", text="boom", traceback="Traceback …\nValueError: boom")


@pytest.fixture
def finished(store: Store) -> Writer:
    """A run of a start, a foreach of twelve, and an end, all well."""
    writer = Writer(store, "F", "1", tags=("mine",), code=data_key("ab12"), file="f.py")
    writer.task("start", values={"x": 1, "big": b"b" * 5000, "_private": 2})
    for index in range(12):
        frames = (Frame(step="start", over="xs", index=index, count=12),)
        writer.task("train", str(index), {"x": index}, frames=frames, parents=("start/0/0",))
    writer.task("end", values={"x": "last"}, parents=tuple(f"train/{index}/0" for index in range(12)))
    writer.end()
    return writer


def test_a_finished_run_tells_how_it_stands(finished: Writer) -> None:
    run = Run("F/1")
    assert (run.status, run.finished, run.successful, run.exception) == ("Succeeded", True, True, None)
    assert run.created_at == datetime.fromtimestamp(T0)
    assert run.finished_at == datetime.fromtimestamp(T0 + 14)
    assert run.failed_tasks == []
    assert run.end_task == Task("F/1/end/0")
    assert run.data is not None
    assert run.data.x == "last"
    assert run.code is not None
    assert (run.code.path, run.code.script_name) == (data_key("ab12"), "f.py")


def test_objects_know_their_place(finished: Writer) -> None:
    artifact = Flow("F")["1"]["train"]["3"]["x"]
    assert artifact.pathspec == "F/1/train/3/x"
    assert artifact.path_components == ["F", "1", "train", "3", "x"]
    assert artifact.id == "x"
    task = artifact.parent
    assert isinstance(task, Task)
    assert isinstance(task.parent, Step)
    assert isinstance(task.parent.parent, Run)
    assert isinstance(task.parent.parent.parent, Flow)
    assert task.index == 3
    assert Run("F/1")["start"].task.index is None


def test_objects_are_shown_as_they_are_made(finished: Writer) -> None:
    assert str(Run("F/1")) == repr(Run("F/1")) == "Run('F/1')"
    assert repr(Task("F/1/start/0", attempt=0)) == "Task('F/1/start/0', attempt=0)"
    assert repr(DataArtifact("F/1/start/0/x")) == "DataArtifact('F/1/start/0/x')"


def test_iteration_is_newest_first(finished: Writer) -> None:
    run = Run("F/1")
    assert [step.id for step in run] == ["end", "train", "start"]
    assert [task.id for task in run["train"]] == [str(index) for index in reversed(range(12))]
    assert [artifact.id for artifact in run["start"].task] == ["big", "x"]


def test_contents_can_be_asked_for(finished: Writer) -> None:
    run = Run("F/1")
    assert "train" in run
    assert "nothing" not in run
    assert "3" in run["train"]
    assert 3 in run["train"]
    assert "12" not in run["train"]
    task = run["start"].task
    assert "x" in task
    assert "x" in task.data
    assert "y" not in task.data
    assert "1" in Flow("F")
    assert "2" not in Flow("F")
    assert "F" in Metaflow()
    assert "G" not in Metaflow()


def test_artifacts_tell_about_themselves_without_being_read(finished: Writer) -> None:
    task = Task("F/1/start/0")
    finished.store.put(finished.keys.attempt("start", "0", 0).log("stdout", 0), b"")
    assert dir(task.artifacts) == ["big", "x"]
    assert len(task.artifacts) == 2
    assert "big" in task.artifacts
    big = task.artifacts.big
    assert big.type == "bytes"
    assert big.size > 5000
    assert len(big.sha) == 64
    assert big.data == b"b" * 5000
    assert task["_private"].data == 2
    assert big.finished_at == task.finished_at


def test_a_missing_artifact_is_an_attribute_error_that_names_what_is_alike(finished: Writer) -> None:
    task = Task("F/1/start/0")
    with pytest.raises(AttributeError, match=r"no artifact 'bigg': its artifacts are 'big'"):
        _ = task.data.bigg
    with pytest.raises(AttributeError, match=r"no artifact 'bigg'"):
        _ = task.artifacts.bigg
    assert not hasattr(task.data, "__len__")


def test_an_artifact_that_was_deleted_is_told(finished: Writer, tmp_path: Path) -> None:
    big = Task("F/1/start/0")["big"]
    (tmp_path / "data" / "store" / data_key(big.sha)).unlink()
    with pytest.raises(ArtifactError, match="artifact 'big' is gone"):
        _ = big.data


def test_an_artifact_that_lost_its_end_is_told(finished: Writer, tmp_path: Path) -> None:
    big = Task("F/1/start/0")["big"]
    (tmp_path / "data" / "store" / data_key(big.sha)).write_bytes(b"half")
    with pytest.raises(ArtifactError, match=r"artifact 'big' is damaged: .* has 4 of \d+ bytes"):
        _ = big.data


def test_a_failed_run_is_finished_and_tells_why(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.task("start")
    writer.task("work", "0", failure=BOOM)
    writer.task("work", "0")
    writer.task("work", "1", failure=BOOM)
    writer.end("Failed", "work failed")
    run = Run("F/1")
    assert (run.status, run.finished, run.successful) == ("Failed", True, False)
    assert run.failed_tasks == [Task("F/1/work/1")]
    assert run.exception == BOOM
    assert run.data is None
    assert run.end_task is None
    assert run["work"]["1"].exception == BOOM
    assert run["work"]["0"].exception is None


def test_a_run_that_failed_without_a_failed_task_tells_what_ended_it(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.end("Error", "no image")
    exception = Run("F/1").exception
    assert exception is not None
    assert (exception.type, exception.text) == ("Error", "no image")


def test_a_task_that_died_without_a_word_failed_with_its_run(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.claim("start")
    assert Run("F/1").failed_tasks == []
    writer.end("Failed")
    assert Run("F/1").failed_tasks == [Task("F/1/start/0")]
    assert "no task has told why" in str(Run("F/1").exception)


def test_a_running_task_is_visible(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.claim("start")
    run = Run("F/1")
    assert (run.status, run.finished, run.successful, run.finished_at, run.exception) == (
        "Running",
        False,
        False,
        None,
        None,
    )
    task = run["start"].task
    assert (task.finished, task.successful, task.finished_at, task.index) == (False, False, None, None)
    assert task.created_at == datetime.fromtimestamp(T0)
    assert list(task) == []
    assert "x" not in task.data
    assert run["start"].finished_at is None
    assert task.metadata_dict["host"] == "here"


def test_a_task_object_sees_that_its_task_ended(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.claim("start")
    task = Run("F/1")["start"].task
    assert not task.finished
    tasks.write(
        store,
        writer.keys,
        TaskRecord(step="start", path="0", attempt=0, status=TaskStatus.SUCCEEDED, started=T0, finished=T0 + 1),
    )
    assert task.successful


def test_every_attempt_can_be_looked_at(store: Store) -> None:
    writer = Writer(store, "F", "1")
    writer.task("start", values={"x": "first"}, failure=BOOM)
    writer.task("start", values={"x": "second"})
    for attempt in (0, 1):
        log = LogWriter(store, writer.keys.attempt("start", "0", attempt), STDOUT)
        log.write(f"attempt {attempt}\n".encode())
        log.flush()
    task = Task("F/1/start/0")
    assert task.current_attempt == 1
    assert (task.data.x, task.stdout, task.exception) == ("second", "attempt 1\n", None)
    first = Task("F/1/start/0", attempt=0)
    assert (first.successful, first.finished, first.exception) == (False, True, BOOM)
    assert (first.data.x, first.stdout) == ("first", "attempt 0\n")
    assert DataArtifact("F/1/start/0/x", attempt=0).data == "first"
    assert first["x"].data == "first"
    assert first["x"].parent == first
    assert [attempt.current_attempt for attempt in task.attempts] == [0, 1]
    with pytest.raises(NotFoundError, match=r"its attempts are 0, 1"):
        Task("F/1/start/0", attempt=2)


@pytest.mark.parametrize("attempt", [-1, "1", 1.0])
def test_an_attempt_is_a_number(finished: Writer, attempt: object) -> None:
    with pytest.raises(NotFoundError, match="an attempt is a number from 0"):
        Task("F/1/start/0", attempt=attempt)  # type: ignore[arg-type]


def test_a_run_has_no_attempts(finished: Writer) -> None:
    with pytest.raises(NotFoundError, match="with Task and DataArtifact only"):
        Run("F/1", attempt=0)


def test_logs_come_back_as_text_and_as_lines(finished: Writer) -> None:
    keys = finished.keys.attempt("start", "0", 0)
    for stream, text in ((STDOUT, "one\ntwo ☃\n".encode() + b"\xff"), (STDERR, b"warning")):
        log = LogWriter(finished.store, keys, stream)
        for byte in text:
            log.write(bytes([byte]))
            log.flush()
    task = Task("F/1/start/0")
    assert task.stdout == "one\ntwo ☃\n�"
    assert (task.stderr, task.stdout_size, task.stderr_size) == ("warning", 13, 7)
    assert [line for _, line in task.loglines("stdout")][:2] == ["one", "two ☃"]
    assert next(task.loglines("stdout", as_unicode=False)) == (None, b"one")


def test_parents_are_found(finished: Writer) -> None:
    assert list(Task("F/1/end/0").parent_task_pathspecs) == [f"F/1/train/{index}" for index in range(12)]
    assert list(Task("F/1/start/0").parent_tasks) == []


def test_steps_tell_when(finished: Writer) -> None:
    step = Step("F/1/train")
    assert step.created_at == datetime.fromtimestamp(T0 + 1)
    assert step.finished_at == datetime.fromtimestamp(T0 + 13)
    assert len(list(step.tasks())) == 12
    assert len(list(step.tasks("mine"))) == 12
    assert list(step.tasks("other")) == []


def test_runs_are_listed_newest_first_and_by_tags(store: Store) -> None:
    for number in range(5):
        writer = Writer(store, "F", str(number), created=T0 + number, tags=("odd",) if number % 2 else ())
        if number != 4:
            writer.end("Succeeded" if number % 2 == 0 else "Failed")
    flow = Flow("F")
    assert [run.id for run in flow] == ["4", "3", "2", "1", "0"]
    assert [run.id for run in flow.runs("odd", "runtime:local")] == ["3", "1"]
    assert flow.latest_run == Run("F/4")
    assert flow.latest_successful_run == Run("F/2")
    assert [flow.id for flow in Metaflow()] == ["F"]
    assert Metaflow()["F"] == flow
    assert Metaflow().flows == [flow]


def test_flows_that_never_succeeded_have_no_successful_run(store: Store) -> None:
    Writer(store, "F", "1")
    assert Flow("F").latest_successful_run is None


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Flow("G"), r"no Flow\('G'\) in .*: flows are 'F'"),
        (lambda: Run("G/1"), r"G never ran there; flows are 'F'"),
        (lambda: Run("F/2"), r"the latest runs of F are '1'"),
        (lambda: Step("F/1/strat"), r"steps that began are 'start', "),
        (lambda: Task("F/1/train/99"), r"tasks of train are '9', .* and 7 more"),
        (lambda: DataArtifact("F/1/start/0/xx"), r"its artifacts are 'x', "),
        (lambda: Run("F/1")["nope"], "steps that began are"),
        (lambda: Task("F/2/start/0"), "the latest runs of F are '1'"),
        (lambda: Task("F/1/strat/0"), "steps that began are"),
    ],
)
def test_what_is_missing_is_told_with_what_is_near(finished: Writer, make: object, told: str) -> None:
    with pytest.raises(NotFoundError, match=told):
        make()  # type: ignore[operator]


def test_a_missing_child_is_a_key_error(finished: Writer) -> None:
    with pytest.raises(KeyError):
        Run("F/1")["nope"]
    with pytest.raises(KeyError):
        Flow("F")["17"]


def test_an_empty_datastore_says_so() -> None:
    with pytest.raises(NotFoundError, match="it has no flows"):
        Flow("F")
    assert list(Metaflow()) == []


@pytest.mark.parametrize("path", ["F", "F/1/start", "", "F/", 3])
def test_a_path_of_another_length_is_refused(path: object) -> None:
    with pytest.raises(UsageError, match=r"Run expects Run\('FlowName/RunID'\)"):
        Run(path)  # type: ignore[arg-type]


def test_runs_of_others_are_in_another_namespace(store: Store) -> None:
    Writer(store, "F", "1", created=T0, system_tags=("user:other",))
    with pytest.raises(WrongNamespaceError, match=r"namespace\('user:other'\) or namespace\(None\)"):
        Run("F/1")
    with pytest.raises(WrongNamespaceError, match="'user:tester'"):
        Flow("F")
    assert list(Metaflow()) == []
    assert Run("F/1", namespace_check=False).id == "1"
    assert namespace(None) is None
    assert Run("F/1").is_in_namespace()
    assert [run.id for run in Flow("F")] == ["1"]
    namespace("user:other")
    assert Flow("F").latest_run == Run("F/1")
    assert default_namespace() == get_namespace() == "user:tester"
    with pytest.raises(WrongNamespaceError):
        Run("F/1")


def test_a_flow_shows_the_runs_of_the_namespace_only(store: Store) -> None:
    Writer(store, "F", "1", created=T0)
    Writer(store, "F", "2", created=T0 + 1, system_tags=("user:other",))
    assert [run.id for run in Flow("F")] == ["1"]
    with pytest.raises(WrongNamespaceError):
        Flow("F")["2"]


def test_a_tag_of_the_user_is_a_namespace_too(store: Store) -> None:
    Writer(store, "F", "1", system_tags=("user:other",), tags=("shared",))
    namespace("shared")
    assert Run("F/1").tags == {"shared", "user:other"}


def test_tags_can_be_edited_and_show_everywhere_below(finished: Writer) -> None:
    run = Run("F/1")
    run.add_tag("new")
    run.add_tags(["a", "b"])
    run.remove_tag("a")
    run.replace_tag("b", "c")
    run.replace_tags(["mine"], ["yours"])
    run.add_tag("user:tester")
    expected = {"new", "c", "yours"}
    assert run.user_tags == Run("F/1").user_tags == expected
    assert run.system_tags == {"user:tester", "runtime:local"}
    assert run["start"].task["x"].tags == expected | run.system_tags
    run.remove_tags(["new", "c", "never there"])
    assert run.user_tags == {"yours"}


def test_a_system_tag_stays(finished: Writer) -> None:
    with pytest.raises(UsageError, match="'user:tester' cannot be removed"):
        Run("F/1").replace_tags(["mine", "user:tester"], ["x"])
    assert Run("F/1").user_tags == {"mine"}


def test_objects_survive_pickling_whatever_the_namespace(finished: Writer) -> None:
    task = Task("F/1/start/0", attempt=0)
    pickled = pickle.dumps((task, Run("F/1")))
    namespace("user:nobody")
    again, run = pickle.loads(pickled)
    assert again == task
    assert again.data.x == 1
    assert run["end"].task.data.x == "last"


def test_unpickled_objects_know_their_datastore(
    finished: Writer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pickled = pickle.dumps(Run("F/1"))
    monkeypatch.setenv("MFHERA_DATASTORE", str(tmp_path / "another"))
    assert pickle.loads(pickled)["end"].task.data.x == "last"


def test_the_code_of_a_run_can_be_looked_at(finished: Writer) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("f.py", "print('☃')\n")
        archive.writestr("more/data.csv", "1,2\n")
    finished.store.put(data_key("ab12"), packed.getvalue())
    code = Run("F/1").code
    assert code is not None
    assert code.flowspec == "print('☃')\n"
    with code.extract() as folder:
        assert (Path(folder) / "more" / "data.csv").read_text() == "1,2\n"


def test_the_origin_of_a_resumed_run_is_known(store: Store) -> None:
    writer = Writer(store, "F", "2", origin="1")
    writer.task("start", origin="1/start/0/0")
    writer.task("end")
    assert Run("F/2").origin_pathspec == "F/1"
    assert Task("F/2/start/0").origin_pathspec == "F/1/start/0"
    assert Task("F/2/end/0").origin_pathspec is None


def test_the_last_step_has_the_name_that_the_graph_gives_it(store: Store) -> None:
    writer = Writer(store, "F", "1", graph={"end": "finale"})
    writer.task("finale", values={"x": 1})
    writer.end()
    data = Run("F/1").data
    assert data is not None
    assert data.x == 1


def test_notebooks_show_tables(finished: Writer) -> None:
    run = Run("F/1")._repr_html_()
    assert "<td>train</td><td>12</td>" in run
    assert "Succeeded" in run
    assert "<td>big</td><td>bytes</td>" in Task("F/1/start/0")._repr_html_()


def test_another_store_can_be_given(tmp_path: Path) -> None:
    other = open_store(str(tmp_path / "other"), Settings.load())
    Writer(other, "F", "9").task("start", values={"x": 1})
    assert Run("F/9", store=other)["start"].task.data.x == 1
    assert [flow.id for flow in Metaflow(store=other)] == ["F"]
    with pytest.raises(NotFoundError):
        Run("F/9")


def test_a_run_on_s3_is_read_alike(s3: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)  # type: ignore[attr-defined]
    settings = Settings.load()
    writer = Writer(open_store(settings.datastore, settings), "F", "1", created=time.time())
    writer.task("start", values={"x": list(range(1000)), "y": 1})
    for index in range(40):
        writer.task("work", str(index), {"x": index})
    writer.task("end")
    writer.end()
    run = Flow("F").latest_run
    assert run is not None
    assert run["start"].task.data.x == list(range(1000))
    assert [step.id for step in run] == ["end", "work", "start"]
    assert sum(task.data.x for task in run["work"]) == sum(range(40))
    tags.edit(writer.store, writer.keys, add=["t"])
    assert run.user_tags == {"t"}


def test_a_run_that_started_another_and_is_not_here_may_be_one_of_metaflow(store: Store) -> None:
    cause = Cause(type="run", name="IngestFlow", id="IngestFlow/argo-ingestflow-x1", timestamp=T0)
    started_by = Trigger([cause], store).run
    assert started_by is not None
    told = f"argo-ingestflow-x1.* cannot be read: its run is not in {store.uri}; .*one that Metaflow recorded"
    with pytest.raises(NotFoundError, match=told):
        _ = started_by.data
