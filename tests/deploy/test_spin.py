"""One step run on the inputs of a past task: what it sees, what it leaves, and what it leaves alone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from metaflow_hera import Run, Task, namespace, run
from metaflow_hera.client import Flow, default_metadata, inspect_spin
from metaflow_hera.deploy.spin import prepare_spin, read_artifacts, spin
from metaflow_hera.deploy.spun import SpinChoices
from metaflow_hera.engine.local import LocalEnd
from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import NotFoundError, RunFailedError, StepError, UnknownRunError, UsageError
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

Write = Callable[[str], Path]

FLOW = """
alpha = Parameter("alpha", default=1)

@step
def start(self):
    self.items = [3, 4, 5]
    self.large = b"x" * 5000
    self.next(self.work, foreach="items")

@retry(times=2, minutes_between_retries=0)
@environment(vars={"COLOUR": "green"})
@step
def work(self):
    self.value = self.input * self.alpha
    self.colour = os.environ.get("COLOUR")
    if os.environ.get("FAIL"):
        print("failing now")
        raise ValueError(f"attempt {current.retry_count}")
    self.next(self.join)

@step
def join(self, inputs):
    self.values = [i.value for i in inputs]
    self.next(self.poll)

@step
def poll(self):
    self.rounds = getattr(self, "rounds", 0) + 1
    self.more = "no" if self.rounds == 3 else "yes"
    self.next({"yes": self.poll, "no": self.end}, condition="more")

@step
def end(self):
    self.origin = current.origin_run_id
"""


class Listener:
    """Keeps the lines that it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, *_: object) -> None:
        pass

    def printed(self, command: object, stream: str, line: str) -> None:
        self.lines.append(line)

    def ended(self, *_: object, again: bool) -> None:
        assert not again


@pytest.fixture(autouse=True)
def _everything_is_visible() -> None:
    namespace(None)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(body: str) -> Path:
        file = tmp_path / "spun.py"
        head = "import os\nfrom metaflow_hera import *\n\nclass Spun(FlowSpec):\n"
        file.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
        return file

    return write


@pytest.fixture
def origin(write: Write) -> Run:
    return run(write(FLOW), alpha=10)


def test_a_step_as_it_is_now_gets_the_inputs_of_a_past_task(write: Write, origin: Run) -> None:
    file = write(FLOW.replace("self.input * self.alpha", "self.input * self.alpha + 1"))
    assert spin(file, "work").data.value == 31
    assert spin(file, f"{origin.id}/work/2").data.value == 51
    assert spin(file, f"Spun/{origin.id}/work").data.large == b"x" * 5000
    assert spin(file, f"Spun/{origin.id}/join/0").data.values == [30, 40, 50]
    assert spin(file, "start").data.items == [3, 4, 5]
    assert spin(file, "end").data.origin == origin.id


def test_one_iteration_of_a_loop_is_spun(write: Write, origin: Run) -> None:
    file = write(FLOW)
    assert spin(file, "poll").data.rounds == 1
    third = spin(file, f"{origin.id}/poll/0~2")
    assert (third.id, third.data.rounds) == ("0~2", 3)


def test_no_run_is_changed_and_none_is_added(write: Write, origin: Run) -> None:
    store = open_store(Settings.load().datastore, Settings.load())
    before = {key: bytes(store.get(key)) for key in store.keys("")}
    spin(write(FLOW), "end")
    assert before == {key: bytes(store.get(key)) for key in store.keys("")}
    assert list(Flow("Spun")) == [origin]


def test_what_was_kept_is_seen_when_one_asks_for_it(write: Write, origin: Run) -> None:
    with pytest.raises(NotFoundError, match=r"no step was spun in .*--persist"):
        inspect_spin()
    task = spin(write(FLOW), "work")
    inspect_spin()
    try:
        assert [each.id for each in Flow("Spun")] == [task.path_components[1]]
        seen = Task(task.pathspec)
        assert (seen.data.value, len(seen.data.large), seen.parent.parent.successful) == (30, 5000, True)
    finally:
        default_metadata()
    assert list(Flow("Spun")) == [origin]


def test_values_of_the_origin_are_kept_with_the_task(
    write: Write, origin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = spin(write(FLOW), "work")
    monkeypatch.setenv("MFHERA_DATASTORE", "elsewhere")
    assert task.data.large == b"x" * 5000


def ended(ready_of: Path, target: str, choices: SpinChoices) -> tuple[LocalEnd, list[str]]:
    heard = Listener()
    return prepare_spin(ready_of, target, choices, Settings.load()).until_its_end(heard), heard.lines


def test_without_persisting_nothing_is_left(write: Write, origin: Run, tmp_path: Path) -> None:
    end, _ = ended(write(FLOW), "work", SpinChoices())
    assert end.phase is Phase.SUCCEEDED
    assert not (tmp_path / "data" / "spin").exists()


def test_other_artifacts_stand_in_for_those_of_the_inputs(write: Write, origin: Run, tmp_path: Path) -> None:
    file = write(FLOW)
    assert spin(file, "join", artifacts={"value": 7}).data.values == [7, 7, 7]
    assert spin(file, "work", artifacts={"alpha": 2}).data.value == 6
    assert spin(file, "start", artifacts={"alpha": 2}).data.alpha == 2
    module = tmp_path / "others.py"
    module.write_text("ARTIFACTS = {'value': 8}\n")
    assert spin(file, "join", artifacts=read_artifacts(str(module))).data.values == [8, 8, 8]


def test_a_module_without_artifacts_is_refused(tmp_path: Path) -> None:
    module = tmp_path / "none.py"
    module.write_text("ARTEFACTS = {}\n")
    with pytest.raises(UsageError, match=r"none.py must have a dictionary ARTIFACTS"):
        read_artifacts(str(module))


def test_decorators_that_need_a_whole_run_do_not_count(
    write: Write, origin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(FLOW)
    monkeypatch.setenv("FAIL", "yes")
    end, lines = ended(file, "work", SpinChoices())
    assert end.phase is Phase.FAILED
    assert lines[-1] == "ValueError: attempt 0"
    assert lines.count("failing now") == 1


def test_decorators_are_left_out_or_added_on_demand(write: Write, origin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(FLOW)
    assert spin(file, "work").data.colour == "green"
    assert spin(file, "work", skip_decorators=True).data.colour is None
    with_red = ('environment:vars={"COLOUR": "red"}',)
    assert spin(file, "work", skip_decorators=True, with_=with_red).data.colour == "red"
    monkeypatch.setenv("METAFLOW_DEFAULT_DECOSPECS", "no_such_decorator")
    assert spin(file, "work").data.colour == "green"


def test_a_step_that_fails_raises_with_its_run(write: Write, origin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "yes")
    with pytest.raises(RunFailedError, match="attempt 0") as raised:
        spin(write(FLOW), "work")
    assert raised.value.run["work"].task.exception.text == "attempt 0"
    assert not spin(write(FLOW), "work", check=False).successful


def test_the_inputs_of_a_step_that_never_ran_are_enough(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("FAIL", "yes")
        run(write(FLOW), check=False)
    assert spin(write(FLOW), "work").data.value == 3
    with pytest.raises(StepError, match="no successful task"):
        spin(write(FLOW), "join")


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ("wrok", UsageError, "flow Spun has no step 'wrok': its steps are 'work'"),
        ("17/work", UnknownRunError, "there is no run Spun/17"),
        ("a/b/c/d", UsageError, "'a/b/c/d' is no step of Spun to spin"),
    ],
)
def test_a_target_that_is_not_there_is_refused(
    write: Write, origin: Run, target: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        spin(write(FLOW), target)


def test_a_task_of_a_gang_cannot_be_spun(write: Write) -> None:
    body = """
    @step
    def start(self):
        self.next(self.node, num_parallel=2)
    @parallel
    @step
    def node(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
    """
    file = write(body)
    run(file)
    with pytest.raises(UsageError, match="step 'node' is a gang"):
        spin(file, "node")
