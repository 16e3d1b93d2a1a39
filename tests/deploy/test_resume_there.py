"""Runs on the embedded engine without a deployment, and runs there that go on where others failed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flow_meaning import Decisions, meaning
from graph_strategies import chosen_step, flow_source, graphs
from hypothesis import HealthCheck, given
from hypothesis import Phase as Of
from hypothesis import settings as of_examples
from hypothesis import strategies as st
from run_artifacts import artifacts

from metaflow_hera import Run, deploy, namespace, resume, run
from metaflow_hera.backends.embedded import EmbeddedBackend, stop_engine
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.resume_there import NOT_SUBMITTED, resume_deployed
from metaflow_hera.deploy.runs import list_runs, status
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.errors import BackendError, ParameterError, UnknownRunError, UsageError
from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

Write = Callable[..., Path]

WIDE = """
alpha = Parameter("alpha", default=1)
text = Parameter("text", default="")
factor = 10

@step
def start(self):
    self.items = [3, 4, 5, 6]
    self.next(self.prepare, foreach="items")

@step
def prepare(self):
    self.prepared = (self.input, current.run_id)
    self.next(self.work)

@step
def work(self):
    if self.index in (1, 2) and not current.origin_run_id:
        raise ValueError("told to")
    self.value = self.input * self.factor * self.alpha
    self.origin = current.origin_run_id
    self.next(self.join)

@step
def join(self, inputs):
    self.values = [i.value for i in inputs]
    self.origins = [i.origin for i in inputs]
    self.runs = [i.prepared[1] for i in inputs]
    self.next(self.end)

@step
def end(self):
    self.trigger = current.trigger.run.pathspec if current.trigger else None
"""


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    namespace(None)
    yield
    stop_engine(Settings.load())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(body: str = WIDE) -> Path:
        file = tmp_path / "resumed.py"
        head = "import os\nfrom metaflow_hera import *\n\nclass Resumed(FlowSpec):\n"
        file.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
        return file

    return write


def failed(file: Path, **parameters: object) -> TriggeredRun:
    """A run of a deployment that failed in the middle of its foreach."""
    triggered = deploy(file).trigger(**parameters)
    triggered.wait(check=False)
    return triggered


def started(run_id: str) -> set[str]:
    """The tasks for which the engine started a pod."""
    return {f"{node.step}/{node.path}" for node in open_backend(Settings.load()).run(run_id).nodes}


def ran(resumed: Run) -> set[str]:
    """The tasks that were not taken over."""
    return {f"{step.id}/{task.id}" for step in resumed for task in step if not task.record.origin}


def test_a_flow_runs_once_on_a_backend_and_what_is_deployed_stays(write: Write) -> None:
    deployed = deploy(write(WIDE.replace("factor = 10", "factor = 1").replace("self.index in (1, 2)", "False")))
    there = run(write(WIDE.replace("self.index in (1, 2)", "False")), backend="embedded", alpha=2, tags=["once"])
    assert there.data.values == [60, 80, 100, 120]
    assert there.id.startswith("argo-resumed-")
    assert "once" in there.tags
    assert there.code is not None
    found = status(there.pathspec, Settings.load())
    assert (found.deployment, found.flow, found.parameters["alpha"]) == ("", "Resumed", "2")
    assert deployed.trigger().wait().data.values == [3, 4, 5, 6]
    assert there.id in [each.run for each in list_runs(None, Settings.load(), 10)]


def test_a_run_on_a_backend_is_refused_before_anything_is_written(write: Write) -> None:
    file = write(WIDE.replace("default=1)", "type=int, required=True)"))
    with pytest.raises(ParameterError, match="'alpha' has no default"):
        run(file, backend="embedded")
    with pytest.raises(ParameterError, match="alpha"):
        run(file, backend="embedded", alpha="x")
    assert list_runs(None, Settings.load(), 10) == []
    assert [*open_store(Settings.load().datastore, Settings.load()).keys("data/")] == []


def test_a_run_of_a_deployment_is_resumed_by_the_code_that_it_had_and_only_what_is_missing_runs(write: Write) -> None:
    origin = failed(write(), alpha=2, text="{{workflow.name}} $(HOME) ü\n'\"")
    write("nothing = this is not Python")
    triggered = origin.resume(tags=["again"])
    resumed = triggered.wait()
    missing = {f"work/{item}" for item in (1, 2)} | {"join/0", "end/0"}
    assert ran(resumed) == missing
    assert started(resumed.id) == missing | {"prepare/1", "prepare/2"}, "those find at once that they are done"
    assert resumed.data.values == [60, 80, 100, 120]
    assert resumed.data.origins == [None, origin.run_id, origin.run_id, None]
    assert resumed.data.runs == [origin.run_id] * 4
    assert resumed.data.text == "{{workflow.name}} $(HOME) ü\n'\""
    assert resumed.origin_pathspec == origin.pathspec
    assert "again" in resumed.tags
    assert triggered.details.parameters == origin.details.parameters


def test_it_is_resumed_by_the_code_of_today_on_demand(write: Write) -> None:
    origin = failed(write(), alpha=2)
    changed = write(WIDE.replace("factor = 10", 'factor = 100\nbeta = Parameter("beta", default=7)'))
    resumed = resume(changed, origin_run_id=origin.run_id, backend="embedded")
    assert resumed.data.values == [60, 800, 1000, 120]
    assert (resumed.data.beta, resumed.data.alpha) == (7, 2)
    assert resumed.id.startswith("argo-resumed-")


def test_a_run_of_this_machine_goes_on_on_a_backend_and_the_other_way_round(write: Write) -> None:
    local = run(write(), check=False)
    there = resume(write(), backend="embedded")
    assert ran(there) == {"work/1", "work/2", "join/0", "end/0"}
    assert there.origin_pathspec == local.pathspec
    here = resume(write(), "join", origin_run_id=there.id)
    assert ran(here) == {"join/0", "end/0"}
    assert here.data.origins == [None, local.id, local.id, None]


def test_a_resumed_run_is_resumed_again_from_a_step_that_it_took_over(write: Write) -> None:
    first = failed(write()).resume()
    first.wait()
    again = first.resume("prepare")
    resumed = again.wait()
    assert (
        ran(resumed)
        == started(resumed.id)
        == ran(Run(first.pathspec))
        | {
            *(f"prepare/{item}" for item in range(4)),
            *(f"work/{item}" for item in range(4)),
        }
    )
    assert again.resume("end").wait().data.values == [30, 40, 50, 60]


def test_what_started_the_origin_is_what_started_its_resumption(write: Write, tmp_path: Path) -> None:
    body = "class Other(FlowSpec):\n    @step(start=True, end=True)\n    def only(self):\n        pass\n"
    (tmp_path / "other.py").write_text(f"from metaflow_hera import *\n{body}")
    other = run(tmp_path / "other.py")
    origin = run(write(), backend="embedded", triggers=[other.pathspec], check=False)
    assert resume_deployed(origin.id, Settings.load()).wait().data.trigger == other.pathspec


@pytest.mark.parametrize(
    ("target", "step", "message"),
    [
        ("argo-nothing-x1", None, "argo-nothing-x1"),
        ("1700000000000000", None, "1700000000000000"),
        ("{origin}/work/1", None, "is no run of a backend"),
        ("{origin}", "wrok", "has no step 'wrok'"),
        ("{origin}", "join", "never came to step 'join'"),
    ],
)
def test_what_cannot_be_resumed_is_refused(write: Write, target: str, step: str | None, message: str) -> None:
    origin = failed(write())
    with pytest.raises((UnknownRunError, UsageError), match=message):
        resume_deployed(target.format(origin=origin.run_id), Settings.load(), step)
    assert len(list_runs(None, Settings.load(), 10)) == 1


def test_a_run_that_goes_on_or_succeeded_is_not_resumed(write: Write) -> None:
    slow = deploy(write("@step(start=True, end=True)\ndef only(self):\n    import time; time.sleep(30)\n")).trigger()
    with pytest.raises(UsageError, match="has not ended"):
        slow.resume()
    slow.terminate()
    done = deploy(write("@step(start=True, end=True)\ndef only(self):\n    pass\n")).trigger()
    done.wait()
    with pytest.raises(UsageError, match="has succeeded; name a step"):
        done.resume()


def test_where_the_run_is_gone_its_deployment_has_the_code_or_the_source_is_asked_for(write: Write) -> None:
    origin = failed(write())
    settings = Settings.load()
    stop_engine(settings)
    for file in (Path(settings.data_dir) / "engine").glob("state*"):
        file.unlink()
    with pytest.raises(UnknownRunError, match=f"--origin-run-id {origin.run_id} --backend embedded"):
        origin.resume()
    deploy(write())
    assert origin.resume().wait().data.values == [30, 40, 50, 60]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_while_a_run_is_resumed_leaves_none_that_seems_to_go_on(write: Write, moment: str) -> None:
    origin = failed(write())
    program = f"""
import os
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.deploy.resume_there import resume_deployed
from metaflow_hera.settings import Settings
submit = EmbeddedBackend.submit
def dying(self, plan, parameters, run):
    print(run, flush=True)
    if {moment!r} == "after":
        submit(self, plan, parameters, run)
    os._exit(9)
EmbeddedBackend.submit = dying
resume_deployed({origin.run_id!r}, Settings.load())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.returncode == 9, done.stderr
    new = done.stdout.strip()
    if moment == "before":
        left = Run(f"Resumed/{new}")
        assert (left.finished, left.successful) == (True, False)
        assert status(new, Settings.load()).message == NOT_SUBMITTED
        assert origin.resume().wait().successful
    else:
        *_, last = open_backend(Settings.load()).watch(new)
        assert last.phase == "Succeeded"
        assert Run(f"Resumed/{new}").data.values == [30, 40, 50, 60]


def test_a_backend_that_refuses_leaves_a_run_that_failed_and_says_why(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = failed(write())

    def refused(*_: object) -> str:
        raise BackendError("quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedBackend, "submit", refused)
        with pytest.raises(BackendError, match="quota exceeded"):
            origin.resume()
    newest, _ = list_runs("Resumed", Settings.load(), 10)
    assert (newest.phase, newest.message) == ("Failed", "it could not be submitted: quota exceeded")


LOOP_AND_GANG = """
fails = True

@step
def start(self):
    self.rounds = []
    self.next(self.poll)

@step
def poll(self):
    if len(self.rounds) == 3 and not current.origin_run_id:
        raise ValueError("told to")
    self.rounds = [*self.rounds, current.origin_run_id]
    self.more = "yes" if len(self.rounds) < 5 else "no"
    self.next({"yes": self.poll, "no": self.spread}, condition="more")

@step
def spread(self):
    self.next(self.train, num_parallel=2)

@parallel
@step
def train(self):
    if current.parallel.node_index == 1 and self.fails:
        raise ValueError("told to, again")
    self.node = current.parallel.node_index
    self.next(self.join)

@step
def join(self, inputs):
    self.nodes = [i.node for i in inputs]
    self.merge_artifacts(inputs, include=["rounds"])
    self.next(self.end)

@step
def end(self):
    pass
"""


def test_loops_go_on_with_the_iteration_that_failed_and_gangs_run_again_as_a_whole(write: Write) -> None:
    origin = failed(write(LOOP_AND_GANG))
    first = origin.resume()
    first.wait(check=False)
    assert ran(Run(first.pathspec)) == {"poll/0~3", "poll/0~4", "spread/0", "train/0", "train/1"}
    mended = write(LOOP_AND_GANG.replace("fails = True", "fails = False"))
    last = resume(mended, origin_run_id=first.run_id, backend="embedded")
    assert ran(last) == {"train/0", "train/1", "join/0", "end/0"}
    assert last.data.rounds == [None, None, None, origin.run_id, origin.run_id]
    assert last.data.nodes == [0, 1]


def failing_source(graph: Graph, tasks: list[tuple[str, str]]) -> str:
    """The flow of a graph in which these tasks fail, unless their run resumes another."""
    head = (
        "from metaflow_hera import current\n\n"
        "def fail(flow):\n"
        "    task = (current.step_name, current.task_id.partition('~')[0])\n"
        f"    if current.origin_run_id is None and task in {tasks!r}:\n"
        "        raise ValueError('told to')\n\n"
    )
    return head + re.sub(r"(    def \w+\(self.*\):\n)", r"\1        fail(self)\n", flow_source(graph))


@of_examples(max_examples=4, deadline=None, phases=[Of.generate], suppress_health_check=[*HealthCheck])
@given(graph=graphs(max_leaves=3, decorated=False), chance=st.randoms(use_true_random=False))
def test_a_resumed_run_leaves_what_one_without_failures_does_and_runs_what_had_not_succeeded(
    graph: Graph, chance: random.Random, tmp_path: Path
) -> None:
    meant = meaning(graph, Decisions(width=lambda run: 2, choice=lambda run: chosen_step(graph, run)))
    gangs = {step.name for step in graph if isinstance(step.transition, Foreach) and step.transition.gang}
    alone = sorted(task for task in meant if not gangs & {*graph.foreaches(task[0])})
    tasks = chance.sample(alone, chance.randint(1, min(3, len(alone))))
    file = tmp_path / f"generated_{uuid.uuid4().hex}.py"
    file.write_text(failing_source(graph, []))
    whole = artifacts(run(file))
    file.write_text(failing_source(graph, tasks))

    origin = run(file, backend="embedded", check=False)
    resumed = resume_deployed(origin.pathspec, Settings.load()).wait()

    assert not origin.successful
    assert artifacts(resumed) == whole
    succeeded = {f"{step.id}/{task.id}" for step in origin for task in step if task.successful}
    assert ran(resumed) == whole.keys() - succeeded
    stop_engine(Settings.load())
