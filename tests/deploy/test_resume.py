"""Runs that go on where another one failed: what is taken over, what runs again, and what is refused."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from metaflow_hera import Run, namespace, run
from metaflow_hera.deploy.resume import resume
from metaflow_hera.errors import RunFailedError, UnknownRunError, UsageError
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

Write = Callable[[str], Path]

WIDE = """
alpha = Parameter("alpha", default=1)
factor = 10

@step
def start(self):
    self.items = [3, 4, 5]
    self.big = b"x" * 5000
    self.next(self.work, foreach="items")

@step
def work(self):
    print("worked on", self.input)
    if os.environ.get("FAIL") == f"work {self.index}":
        raise ValueError("told to")
    self.value = self.input * self.factor * self.alpha
    self.origin = current.origin_run_id
    self.next(self.join)

@step
def join(self, inputs):
    self.values = [i.value for i in inputs]
    self.origins = [i.origin for i in inputs]
    if os.environ.get("FAIL") == "join":
        raise ValueError("told to")
    self.next(self.end)

@step
def end(self):
    pass
"""


@pytest.fixture(autouse=True)
def _everything_is_visible() -> None:
    namespace(None)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(body: str) -> Path:
        """A file with a flow `Resumed`; written anew, it is the same flow with another source."""
        file = tmp_path / "resumed.py"
        head = "import os\nfrom metaflow_hera import *\n\nclass Resumed(FlowSpec):\n"
        file.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
        return file

    return write


@pytest.fixture
def failed(write: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def failed(body: str, where: str, **parameters: object) -> Run:
        with monkeypatch.context() as patch:
            patch.setenv("FAIL", where)
            return run(write(body), check=False, **parameters)

    return failed


def settings_store() -> Store:
    settings = Settings.load()
    return open_store(settings.datastore, settings)


def ran(resumed: Run) -> set[str]:
    """The tasks that were not taken over."""
    return {f"{step.id}/{task.id}" for step in resumed for task in step if not task.record.origin}


def test_only_failed_items_run_again_and_their_order_is_kept(write: Write, failed: Callable[..., Run]) -> None:
    origin = failed(WIDE, "work 1", alpha=2)
    resumed = resume(write(WIDE))
    assert ran(resumed) == {"work/1", "join/0", "end/0"}
    assert resumed.data.values == [60, 80, 100]
    assert resumed.data.origins == [None, origin.id, None]
    assert resumed.data.alpha == 2
    assert resumed.origin_pathspec == origin.pathspec


def test_what_a_clone_printed_is_read_where_it_ran(write: Write, failed: Callable[..., Run]) -> None:
    failed(WIDE, "work 1")
    first = resume(write(WIDE))
    second = resume(write(WIDE), "join")
    assert first["work"]["0"].stdout == second["work"]["0"].stdout == "worked on 3\n"
    assert second["work"]["1"].stdout == "worked on 4\n"
    assert second["work"]["1"].stdout_size == len("worked on 4\n")


def test_a_step_is_run_again_with_all_that_follows_although_it_succeeded(write: Write) -> None:
    run(write(WIDE))
    assert ran(resume(write(WIDE), "join")) == {"join/0", "end/0"}
    assert ran(resume(write(WIDE), "work")) == {"work/0", "work/1", "work/2", "join/0", "end/0"}
    assert "start/0" in ran(resume(write(WIDE), "start"))
    assert ran(resume(write(WIDE))) == set()


def test_a_resumed_run_can_be_resumed(write: Write, failed: Callable[..., Run]) -> None:
    origin = failed(WIDE, "work 2")
    again = failed_again = resume_failing(write, "join")
    assert again.origin_pathspec == origin.pathspec
    last = resume(write(WIDE), origin_run_id=failed_again.id)
    assert ran(last) == {"join/0", "end/0"}
    assert last.data.origins == [None, None, origin.id]
    assert last["work"]["2"].origin_pathspec == f"{again.pathspec}/work/2"


def resume_failing(write: Write, where: str) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIL", where)
        with pytest.raises(RunFailedError) as raised:
            resume(write(WIDE))
    failed: Run = raised.value.run
    return failed


def test_clones_say_whose_they_are_and_reruns_which_run_they_resume(write: Write, failed: Callable[..., Run]) -> None:
    origin = failed(WIDE, "work 1")
    resumed = resume(write(WIDE))
    clone, rerun = resumed["work"]["0"], resumed["work"]["1"]
    assert clone.origin_pathspec == f"{origin.pathspec}/work/0"
    assert clone.metadata_dict["origin-run-id"] == rerun.metadata_dict["origin-run-id"] == origin.id
    assert clone.metadata_dict["origin-task-id"] == "0"
    assert "origin-task-id" not in rerun.metadata_dict
    assert rerun.origin_pathspec is None
    assert clone["value"].origin_pathspec == f"{origin.pathspec}/work/0/value"
    assert rerun["value"].origin_pathspec is None
    assert resumed["work"].origin_pathspec == f"{origin.pathspec}/work"


def test_constants_and_new_parameters_are_those_of_the_source_as_it_is_now(
    write: Write, failed: Callable[..., Run]
) -> None:
    failed(WIDE, "work 1", alpha=2)
    changed = WIDE.replace("factor = 10", 'factor = 100\nbeta = Parameter("beta", default=7)')
    resumed = resume(write(changed.replace("default=1", "default=5")))
    assert resumed.data.values == [60, 800, 100]
    assert (resumed.data.factor, resumed.data.beta, resumed.data.alpha) == (100, 7, 2)


def test_a_step_that_was_put_in_between_runs_and_what_was_before_it_does_not(
    write: Write, failed: Callable[..., Run]
) -> None:
    failed(WIDE, "join")
    checked = "\n@step\ndef checked(self):\n    self.seen = self.values\n    self.next(self.end)\n"
    body = WIDE.replace("self.next(self.end)", "self.next(self.checked)") + checked
    resumed = resume(write(body))
    assert ran(resumed) == {"join/0", "checked/0", "end/0"}
    run(write(body))
    assert ran(resume(write(WIDE))) == {"end/0"}


def test_a_step_that_fans_out_over_something_else_runs_again(write: Write, failed: Callable[..., Run]) -> None:
    failed(WIDE, "join")
    others = WIDE.replace('foreach="items"', 'foreach="others"').replace("self.items", "self.others")
    assert len(ran(resume(write(others)))) == len(("start", "work/0", "work/1", "work/2", "join", "end"))


CONFIGURED = """
model = Config("model", default_value={"layers": 2})
text = IncludeFile("text", default="first.txt")

@retry(times=model.layers, minutes_between_retries=0)
@step
def start(self):
    self.next(self.middle)

@step
def middle(self):
    if os.environ.get("FAIL") and current.origin_run_id is None:
        raise ValueError("told to")
    self.seen = (self.model.layers, self.text)
    self.next(self.end)

@step
def end(self):
    pass
"""


def test_configs_and_files_are_those_of_the_origin(write: Write, failed: Callable[..., Run]) -> None:
    Path("first.txt").write_text("before")
    failed(CONFIGURED, "middle")
    Path("first.txt").write_text("after")
    Path("second.txt").write_text("new")
    changed = CONFIGURED.replace('"layers": 2', '"layers": 3')
    more = 'another = IncludeFile("another", default="second.txt")\nother = Config("other", default_value={"x": 1})\n'
    resumed = resume(write(more + changed))
    assert resumed.data.seen == (2, "before")
    assert (resumed.data.text, resumed.data.another) == ("before", "new")
    assert (resumed.data.model, resumed.data.other) == ({"layers": 2}, {"x": 1})
    assert resume(write(more + changed), "middle").data.seen == (2, "before")


LOOP = """
@step
def start(self):
    self.rounds = []
    self.next(self.poll)

@step
def poll(self):
    if len(self.rounds) == 3 and os.environ.get("FAIL"):
        raise ValueError("told to")
    self.rounds = [*self.rounds, current.origin_run_id]
    self.more = "yes" if len(self.rounds) < 5 else "no"
    self.next({"yes": self.poll, "no": self.end}, condition="more")

@step
def end(self):
    pass
"""


def test_finished_iterations_are_taken_over_one_by_one(write: Write, failed: Callable[..., Run]) -> None:
    origin = failed(LOOP, "the fourth")
    resumed = resume(write(LOOP))
    assert resumed.data.rounds == [None, None, None, origin.id, origin.id]
    assert ran(resumed) == {"poll/0~3", "poll/0~4", "end/0"}
    assert ran(resume(write(LOOP), "end")) == {"end/0"}


def test_a_run_of_a_deployment_is_resumed_here(write: Write, failed: Callable[..., Run]) -> None:
    store = settings_store()
    local = failed(WIDE, "work 1")
    keys, there = RunKeys("Resumed", local.id), RunKeys("Resumed", "argo-resumed-x1")
    for key in [*store.keys(keys.prefix)]:
        content = bytes(store.get(key)).replace(local.id.encode(), there.run.encode())
        store.put(key.replace(keys.prefix, there.prefix), content)
    resumed = resume(write(WIDE), origin_run_id="Resumed/argo-resumed-x1")
    assert resumed.data.origins == [None, "argo-resumed-x1", None]


def test_over_s3_it_is_the_same(
    s3: object, write: Write, failed: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)  # type: ignore[attr-defined]
    failed(WIDE, "work 1")
    resumed = resume(write(WIDE))
    assert ran(resumed) == {"work/1", "join/0", "end/0"}
    assert resumed["work"]["2"].stdout == "worked on 5\n"
    assert len(resumed["work"]["2"].data.big) == 5000


def test_no_data_is_copied(write: Write, failed: Callable[..., Run]) -> None:
    store = settings_store()
    failed(WIDE, "end")
    before = {*store.keys("data/")}
    resume(write(WIDE), "end")
    assert before == {*store.keys("data/")}


def test_an_unknown_step_is_refused_and_the_nearest_named_first(write: Write, failed: Callable[..., Run]) -> None:
    failed(WIDE, "join")
    with pytest.raises(UsageError, match="has no step 'jion': its steps are 'join'"):
        resume(write(WIDE), "jion")


def test_without_any_run_there_is_nothing_to_resume(write: Write) -> None:
    with pytest.raises(UnknownRunError, match="flow Resumed has no run"):
        resume(write(WIDE))
    with pytest.raises(UnknownRunError, match="there is no run Resumed/17"):
        resume(write(WIDE), origin_run_id="17")


def test_a_run_of_somebody_else_is_not_taken_by_default(write: Write, failed: Callable[..., Run]) -> None:
    mine = failed(WIDE, "join")
    theirs = RunRecord(flow="Resumed", run="2", created=4e9, user="ann", graph={"flow": "Resumed"})
    runs.begin(settings_store(), theirs)
    assert resume(write(WIDE)).origin_pathspec == mine.pathspec


def test_only_runs_of_others_are_named_and_none_is_taken(write: Write) -> None:
    runs.begin(settings_store(), RunRecord(flow="Resumed", run="2", created=1.0, user="ann"))
    with pytest.raises(UnknownRunError, match=r"none of the latest runs .* is one of 'tester'.*the latest is 2"):
        resume(write(WIDE))


def test_a_run_that_never_got_its_parameters_cannot_be_resumed(write: Write) -> None:
    runs.begin(settings_store(), RunRecord(flow="Resumed", run="3", created=1.0, user="tester"))
    with pytest.raises(UsageError, match="Resumed/3 failed before its first step"):
        resume(write(WIDE))


def test_a_parameter_that_is_new_and_required_is_refused_before_anything_is_written(
    write: Write, failed: Callable[..., Run]
) -> None:
    failed(WIDE, "join")
    before = [*settings_store().keys("")]
    with pytest.raises(UsageError, match="has no value for 'beta'"):
        resume(write('beta = Parameter("beta", required=True)\n' + WIDE))
    assert before == [*settings_store().keys("")]


def test_a_step_to_which_the_origin_never_came_is_refused_with_those_it_came_to(
    write: Write, failed: Callable[..., Run]
) -> None:
    failed(WIDE, "work 1")
    with pytest.raises(UsageError, match=r"never came to step 'join'; resume it from one that it came to: start, work"):
        resume(write(WIDE), "join")


PROJECT = """
from metaflow_hera import FlowSpec, current, project, step
import os

@project(name="fraud")
class Branched(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        if "FAIL" in os.environ:
            raise ValueError("told to")
        self.branch = current.branch_name
"""


@pytest.mark.parametrize(
    ("choice", "branch"),
    [({"branch": "exp"}, "test.exp"), ({"production": True}, "prod"), ({"branch": "a", "production": True}, "prod.a")],
)
def test_a_run_is_resumed_in_its_own_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: dict[str, object], branch: str
) -> None:
    file = tmp_path / "branched.py"
    file.write_text(PROJECT)
    monkeypatch.setenv("FAIL", "yes")
    run(file, check=False, **choice)
    monkeypatch.delenv("FAIL")
    assert resume(file).data.branch == branch
